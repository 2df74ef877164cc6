/// What an image file holds, known without decoding it.
public struct ImageHeader: Equatable, Sendable {
  /// Pixels per row and rows, after the orientation is applied: as `Image` has them.
  public var width: Int
  /// Rows, after the orientation is applied.
  public var height: Int
  /// 1 for gray, 3 for RGB (a palette counts as RGB).
  public var channels: Int
  /// Whether the file has transparency of any kind.
  public var hasAlpha: Bool
  /// 8, or 16 for a 16-bit PNG; fewer bits count as 8.
  public var bitDepth: Int
  /// The format by the file's content.
  public var format: ImageFormat
  /// How the stored pixels lie, as EXIF counts.
  var orientation: Orientation = .up
}

extension ImageHeader {
  /// The most pixels along one side.
  public static let maximumSide = 65_535
  /// The most pixels altogether: one binary gigapixel.
  public static let maximumPixels = 1 << 30

  /// Reads the header from a file's bytes and refuses sizes that no decoder should try.
  static func read(_ source: ByteSource) throws(ImageError) -> ImageHeader {
    var header: ImageHeader
    switch try ImageFormat.sniff(source.bytes(at: 0, 16), path: source.path) {
    case .png: header = try PNGHeader.read(source)
    case .jpeg: header = try JPEGHeader.read(source)
    }
    try header.checkSize(source)
    if header.orientation.swapsSides { swap(&header.width, &header.height) }
    return header
  }

  /// Compares the claimed size with the limits, and with what so few bytes can hold at best.
  private func checkSize(_ source: ByteSource) throws(ImageError) {
    let size = "\(width) x \(height) pixels"
    guard width > 0, height > 0 else {
      throw ImageError(path: source.path, fault: "its header claims \(size)")
    }
    guard width <= Self.maximumSide, height <= Self.maximumSide,
      width * height <= Self.maximumPixels
    else {
      throw ImageError(
        path: source.path,
        fault: "\(size) is larger than the supported 65535 x 65535 or 1 gigapixel")
    }
    guard width * height / format.mostPixelsPerByte <= source.count else {
      throw ImageError(
        path: source.path,
        fault: "the file is truncated: \(source.count) bytes cannot hold \(size)")
    }
  }
}

extension ImageFormat {
  /// An upper bound of compression: deflate gives at most 1032 bytes for one, of eight pixels each;
  /// a JPEG block takes a bit or more, and covers at most 32 x 32 pixels when subsampled.
  fileprivate var mostPixelsPerByte: Int { 8 * 1032 }
}
