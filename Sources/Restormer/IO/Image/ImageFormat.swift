/// The image file formats.
public enum ImageFormat: String, CaseIterable, Codable, Sendable {
  /// Portable Network Graphics: lossless, 8 or 16 bits, with alpha.
  case png
  /// JPEG: lossy, 8 bits, without alpha.
  case jpeg
  /// Tagged Image File Format: of many forms, its first page.
  case tiff
  /// WebP: lossy or lossless, 8 bits, with alpha; of an animation its first picture.
  case webp
  /// Windows bitmap: up to 8 bits a sample.
  case bmp

  /// The formats that `Image` reads.
  public static let readable: [ImageFormat] = allCases

  /// The formats that `Image` writes.
  public static let writable: [ImageFormat] = [.png, .jpeg]

  /// The format that a file name's extension stands for, in any case and without the dot; nil for
  /// one that no readable format has.
  public init?(pathExtension: String) {
    let ending = pathExtension.lowercased()
    guard let format = Self.readable.first(where: { $0.pathExtensions.contains(ending) }) else {
      return nil
    }
    self = format
  }

  /// The extensions, in small letters, that files of this format have; the usual one first.
  public var pathExtensions: [String] {
    switch self {
    case .png: ["png"]
    case .jpeg: ["jpg", "jpeg", "jpe", "jfif"]
    case .tiff: ["tif", "tiff"]
    case .webp: ["webp"]
    case .bmp: ["bmp", "dib"]
    }
  }

  /// The extension that files of this format usually have.
  public var pathExtension: String { pathExtensions[0] }

  /// The format's name for people.
  public var title: String {
    switch self {
    case .png: "PNG"
    case .jpeg: "JPEG"
    case .tiff: "TIFF"
    case .webp: "WebP"
    case .bmp: "BMP"
    }
  }

  /// The readable formats in a sentence: "PNG, JPEG and TIFF".
  public static var readableTitles: String {
    let titles = readable.map(\.title)
    return titles.dropLast().joined(separator: ", ") + " and " + titles[titles.count - 1]
  }

  private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The format by a file's first bytes, whatever its name says.
  static func sniff(_ start: [UInt8], path: String) throws(ImageError) -> ImageFormat {
    if start.starts(with: pngSignature) { return .png }
    if start.starts(with: [0xFF, 0xD8]) { return .jpeg }
    func has(_ text: String, at offset: Int = 0) -> Bool {
      start.dropFirst(offset).starts(with: text.utf8)
    }
    if ["II*\0", "MM\0*", "II+\0", "MM\0+"].contains(where: { has($0) }) { return .tiff }
    if has("RIFF"), has("WEBP", at: 8) { return .webp }
    if has("BM") { return .bmp }
    if start.isEmpty { throw ImageError(path: path, fault: "the file is empty") }
    let fault = foreignName(start).map { "a \($0) file; only \(readableTitles) are read" }
    throw ImageError(path: path, fault: fault ?? "not an image of the formats \(readableTitles)")
  }

  private static func foreignName(_ start: [UInt8]) -> String? {
    func has(_ text: String, at offset: Int = 0) -> Bool {
      start.dropFirst(offset).starts(with: text.utf8)
    }
    if has("GIF8") { return "GIF" }
    if has("JXL ", at: 4) { return "JPEG XL" }
    if has("ftypheic", at: 4) || has("ftypmif1", at: 4) { return "HEIC" }
    if has("ftypavif", at: 4) { return "AVIF" }
    if has("%PDF") { return "PDF" }
    return nil
  }
}
