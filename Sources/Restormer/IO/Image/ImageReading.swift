import CImage
import Foundation

extension Image {
  /// What a file holds, from a few short reads and without decoding it.
  /// - Throws: `ImageError` if the file cannot be read, is not an image or claims a size that is
  ///   not supported.
  public static func header(of path: String) throws(ImageError) -> ImageHeader {
    try ImageHeader.read(ByteSource(InputFile(path: path)))
  }

  /// What the bytes of a file hold, without decoding them; `path` is only for the error's text.
  /// - Throws: `ImageError` as `header(of:)`.
  public static func header(
    bytes: UnsafeRawBufferPointer, path: String = ""
  ) throws(ImageError) -> ImageHeader {
    try ImageHeader.read(ByteSource(bytes, path: path))
  }

  /// Reads a PNG (any bit depth, gray, RGB, palette, any transparency, interlaced or not) or a JPEG
  /// (gray or colour), whichever the content is. The EXIF orientation is applied to the pixels.
  /// - Throws: `ImageError` if the file cannot be read, or is damaged or cut short anywhere: there
  ///   are no partly decoded images.
  public init(contentsOf path: String) throws(ImageError) {
    let file = try InputFile(path: path)
    let buffer = try Image.allocate(file.count, path: path)
    defer { free(buffer.baseAddress) }
    guard file.read(into: buffer, at: 0) == file.count else { throw file.error("read") }
    try self.init(bytes: UnsafeRawBufferPointer(buffer), path: path)
  }

  /// Decodes the bytes of a PNG or JPEG file; `path` is only for the error's text.
  /// - Throws: `ImageError` as `init(contentsOf:)`.
  public init(bytes: UnsafeRawBufferPointer, path: String = "") throws(ImageError) {
    let header = try ImageHeader.read(ByteSource(bytes, path: path))
    let plane = header.width * header.height
    // Turning the pixels upright takes one plane more.
    let spare = header.orientation == .up ? 0 : 1
    let planes = header.channels + (header.hasAlpha ? 1 : 0) + spare
    // An array that cannot grow ends the process, so the memory is asked for first.
    let asked = try Image.allocate(planes * plane * MemoryLayout<Float>.stride, path: path)
    free(asked.baseAddress)
    self.init(
      width: header.width, height: header.height, channels: header.channels,
      pixels: Image.untouched(header.channels * plane),
      alpha: header.hasAlpha ? Image.untouched(plane) : nil,
      bitDepth: header.bitDepth)
    try decode(bytes, header, path)
    turnUpright(header.orientation)
  }

  private mutating func decode(
    _ bytes: UnsafeRawBufferPointer, _ header: ImageHeader, _ path: String
  ) throws(ImageError) {
    var layout = CImageLayout(self)
    if header.orientation.swapsSides { swap(&layout.width, &layout.height) }
    var tags = CImageTags()
    var profile = CImageBytes()
    var message = [CChar](repeating: 0, count: Int(CIMAGE_ERROR_LENGTH))
    let data = bytes.bindMemory(to: UInt8.self).baseAddress
    let done = pixels.withUnsafeMutableBufferPointer { pixels in
      switch header.format {
      case .png:
        Image.withAlpha(&alpha) {
          cimage_decode_png(
            data, bytes.count, &layout, pixels.baseAddress, $0, &tags, &profile, &message)
        }
      case .jpeg:
        cimage_decode_jpeg(
          data, bytes.count, &layout, pixels.baseAddress, &tags, &profile, &message)
      }
    }
    defer { cimage_release(&profile) }
    guard done != 0 else { throw ImageError(path: path, fault: Image.text(message)) }
    iccProfile = profile.count > 0 ? Array(UnsafeBufferPointer(profile)) : nil
    self.tags = ImageTags(tags)
  }

  private mutating func turnUpright(_ orientation: Orientation) {
    guard orientation != .up else { return }
    let (width, height) = orientation.swapsSides ? (height, width) : (width, height)
    pixels.withUnsafeMutableBufferPointer { pixels in
      for channel in 0..<channels {
        let plane = pixels[channel * width * height..<(channel + 1) * width * height]
        orientation.apply(
          to: UnsafeMutableBufferPointer(rebasing: plane), width: width, height: height)
      }
    }
    alpha?.withUnsafeMutableBufferPointer {
      orientation.apply(to: $0, width: width, height: height)
    }
    if orientation.swapsSides, let density = tags.pixelsPerMeter {
      tags.pixelsPerMeter = SIMD2(density.y, density.x)
    }
  }

  private static func withAlpha<R>(
    _ alpha: inout [Float]?, _ body: (UnsafeMutablePointer<Float>?) -> R
  ) -> R {
    alpha?.withUnsafeMutableBufferPointer { body($0.baseAddress) } ?? body(nil)
  }

  /// Values for the decoder to fill. The system gives them memory only as rows arrive, so a header
  /// that claims more than the file holds costs nothing.
  private static func untouched(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { _, initialized in initialized = count }
  }

  /// The text of a message buffer that C filled.
  static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func allocate(
    _ count: Int, path: String
  ) throws(ImageError) -> UnsafeMutableRawBufferPointer {
    guard let memory = malloc(max(count, 1)) else {
      let mebibytes = count >> 20
      throw ImageError(path: path, fault: "needs \(mebibytes) MiB of memory, more than is free")
    }
    return UnsafeMutableRawBufferPointer(start: memory, count: count)
  }
}

extension UnsafeBufferPointer<UInt8> {
  fileprivate init(_ bytes: CImageBytes) { self.init(start: bytes.bytes, count: bytes.count) }
}

extension CImageLayout {
  init(_ image: Image) {
    self.init(
      width: UInt32(image.width), height: UInt32(image.height), channels: Int32(image.channels),
      has_alpha: image.alpha == nil ? 0 : 1, bit_depth: Int32(image.bitDepth))
  }
}
