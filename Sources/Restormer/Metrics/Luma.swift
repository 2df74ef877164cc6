extension Metrics {
  /// The luma of ITU-R BT.601 for values of [16, 235] / 255, as restoration papers measure:
  /// Y = (65.481 R + 128.553 G + 24.966 B + 16) / 255.
  ///
  /// - Parameters:
  ///   - image: gray or colour.
  ///   - rounded: round to whole 8-bit levels, as MATLAB's `rgb2ycbcr` does for 8-bit
  ///     images; without it the values are BasicSR's.
  /// - Returns: a gray image of the same size; a gray image is returned as it is.
  public static func yChannel(_ image: Image, rounded: Bool = false) -> Image {
    guard image.channels == 3 else { return image }
    let image = image.overWhite
    let count = image.width * image.height
    let pixels = image.pixels.withUnsafeBufferPointer { rgb in
      (0..<count).map { i in
        let red = 65.481 * Double(rgb[i])
        let green = 128.553 * Double(rgb[i + count])
        let blue = 24.966 * Double(rgb[i + 2 * count])
        let level = red + green + blue + 16
        return Float((rounded ? level.rounded() : level) / 255)
      }
    }
    return Image(width: image.width, height: image.height, channels: 1, pixels: pixels)
  }
}
