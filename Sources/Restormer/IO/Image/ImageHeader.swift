import CImage

/// What an image file holds, known without decoding it.
public struct ImageHeader: Equatable, Sendable {
  /// Pixels per row, after the orientation is applied: as `Image` has them.
  public var width: Int
  /// Rows, after the orientation is applied.
  public var height: Int
  /// 1 for gray, 3 for RGB (a palette counts as RGB).
  public var channels: Int
  /// Whether the file has transparency of any kind.
  public var hasAlpha: Bool
  /// 8, or 16 for a file of 16 bits; fewer bits count as 8.
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

  /// The header of stored pixels that `layout` describes.
  init(_ layout: CImageLayout, _ format: ImageFormat, _ orientation: Orientation) {
    let (width, height) = (Int(layout.width), Int(layout.height))
    self.init(
      width: orientation.swapsSides ? height : width,
      height: orientation.swapsSides ? width : height, channels: Int(layout.channels),
      hasAlpha: layout.has_alpha != 0, bitDepth: Int(layout.bit_depth), format: format,
      orientation: orientation)
  }

  /// Bytes of one pixel in memory.
  var pixelSize: Int { (channels + (hasAlpha ? 1 : 0)) * bitDepth / 8 }

  /// Compares the claimed size with the limits, and with what so few bytes can hold at best, unless
  /// the coding has no such bound.
  func checkSize(_ source: ByteSource, isUnbounded: Bool) throws(ImageError) {
    let size = "\(width) x \(height) pixels"
    guard width > 0, height > 0 else { throw source.error("its header claims \(size)") }
    guard width <= Self.maximumSide, height <= Self.maximumSide,
      width * height <= Self.maximumPixels
    else {
      throw source.error("\(size) is larger than the supported 65535 x 65535 or 1 gigapixel")
    }
    guard isUnbounded || width * height / Self.mostPixelsPerByte <= source.count else {
      throw source.error("the file is truncated: \(source.count) bytes cannot hold \(size)")
    }
  }

  /// An upper bound of compression: deflate gives at most 1032 bytes for one, of eight pixels each;
  /// a block of Huffman-coded JPEG takes a bit or more, and covers at most 32 x 32 pixels when
  /// subsampled.
  private static let mostPixelsPerByte = 8 * 1032
}
