/// An image in memory: planar pixels `[channels, height, width]`, row-major, in [0, 1].
///
/// Values are the file's own, scaled: 8 bits by 1/255, 16 bits by 1/65535. No gamma or colour
/// conversion is made; the colour profile is carried along for the output.
public struct Image: Sendable {
  /// Pixels per row.
  public var width: Int
  /// Rows.
  public var height: Int
  /// 1 for gray, 3 for RGB.
  public var channels: Int
  /// `channels * height * width` values.
  public var pixels: [Float]
  /// `height * width` values, 0 transparent to 1 opaque; nil for an opaque image.
  public var alpha: [Float]?
  /// Bits per sample of the file it came from, and of a PNG written from it: 8 or 16.
  public var bitDepth: Int
  /// The ICC colour profile of the file, unparsed.
  public var iccProfile: [UInt8]?
  /// What was amiss in the file although all pixels could be read, for people.
  public var remarks: [String] = []
  /// What else the file says of its pixels.
  package var tags = ImageTags()

  /// Makes an image from its parts.
  /// - Precondition: sizes are positive, `pixels` and `alpha` have the counts that they imply,
  ///   `channels` is 1 or 3, `bitDepth` is 8 or 16.
  public init(
    width: Int, height: Int, channels: Int, pixels: [Float], alpha: [Float]? = nil,
    bitDepth: Int = 8, iccProfile: [UInt8]? = nil
  ) {
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
    self.alpha = alpha
    self.bitDepth = bitDepth
    self.iccProfile = iccProfile
    checkShape()
  }

  /// The values of one channel, `height * width` of them.
  public func plane(_ channel: Int) -> ArraySlice<Float> {
    pixels[channel * width * height..<(channel + 1) * width * height]
  }

  /// The image over white, as viewers show it: opaque.
  public var overWhite: Image {
    guard hasAlpha else { return self }
    var result = self
    result.alpha = nil
    for plane in 0..<channels {
      for y in 0..<height { result.write(plane, y, rowAsSeen(plane, y)) }
    }
    return result
  }

  /// Traps unless the parts fit each other; they can be set one by one.
  func checkShape() {
    precondition(
      width > 0 && height > 0 && (channels == 1 || channels == 3)
        && (bitDepth == 8 || bitDepth == 16),
      "Image: \(channels) x \(height) x \(width) of \(bitDepth) bits")
    precondition(
      pixels.count == channels * height * width,
      "Image: \(pixels.count) values for \(channels) x \(height) x \(width)")
    if let alpha {
      precondition(
        alpha.count == height * width, "Image: \(alpha.count) alpha values for \(height) x \(width)"
      )
    }
  }
}
