/// The image file formats that are read and written.
public enum ImageFormat: String, CaseIterable, Sendable {
  /// Portable Network Graphics: lossless, 8 or 16 bits, with alpha.
  case png
  /// JPEG: lossy, 8 bits, without alpha.
  case jpeg

  /// The format that a file name's extension stands for (`png`; `jpg`, `jpeg`, `jpe`, `jfif`), in
  /// any case and without the dot; nil for any other.
  public init?(pathExtension: String) {
    switch pathExtension.lowercased() {
    case "png": self = .png
    case "jpg", "jpeg", "jpe", "jfif": self = .jpeg
    default: return nil
    }
  }

  /// The extension that files of this format usually have.
  public var pathExtension: String {
    switch self {
    case .png: "png"
    case .jpeg: "jpg"
    }
  }

  /// The format by a file's first bytes, whatever its name says.
  static func sniff(_ start: [UInt8], path: String) throws(ImageError) -> ImageFormat {
    if start.starts(with: PNGHeader.signature) { return .png }
    if start.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
    if start.isEmpty { throw ImageError(path: path, fault: "the file is empty") }
    let fault = foreignName(start).map { "a \($0) file; only PNG and JPEG are read" }
    throw ImageError(path: path, fault: fault ?? "neither a PNG nor a JPEG file")
  }

  private static func foreignName(_ start: [UInt8]) -> String? {
    func has(_ text: String, at offset: Int = 0) -> Bool {
      start.dropFirst(offset).starts(with: text.utf8)
    }
    if has("GIF8") { return "GIF" }
    if has("BM") { return "BMP" }
    if has("II*\0") || has("MM\0*") { return "TIFF" }
    if has("RIFF"), has("WEBP", at: 8) { return "WebP" }
    if has("ftypheic", at: 4) || has("ftypmif1", at: 4) { return "HEIC" }
    if has("ftypavif", at: 4) { return "AVIF" }
    if has("%PDF") { return "PDF" }
    return nil
  }
}
