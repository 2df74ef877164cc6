import Kernels

extension Restorer {
  /// Restores a picture: colour, gray and dual-pixel models take what they can use of it; transparency, bit
  /// depth and colour profile are carried over.
  ///
  /// A colour model sees a gray picture as three equal channels and its result is averaged back; a gray model
  /// restores each channel of a colour picture on its own.
  ///
  /// - Parameters:
  ///   - image: the picture; the left view for a dual-pixel model.
  ///   - right: the right view, needed by a dual-pixel model and by no other.
  ///   - progress: called with the fraction done, 0 to 1; what it throws ends the work.
  /// - Throws: `RestoreError` when model and picture do not fit, or the model's result is no picture; the backend's error.
  public func restore(
    _ image: Image, right: Image? = nil, progress: (Double) throws -> Void = { _ in }
  ) throws -> Image {
    let light = whitensPaper && right == nil ? image.paperLight : 1
    return try restoreAsLit(image.lit(by: 1 / light), right: right, progress: progress)
      .lit(by: light)
  }

  private func restoreAsLit(
    _ image: Image, right: Image?, progress: (Double) throws -> Void
  ) throws -> Image {
    let plane = image.width * image.height
    let planar = { (channels: Int, pixels: [Float]) in
      PlanarImage(width: image.width, height: image.height, channels: channels, pixels: pixels)
    }
    var result = image
    let (wanted, given) = (model.configuration.inputChannels, model.configuration.outputChannels)
    guard given == 1 || given == 3, wanted == given || wanted == 6 else {
      throw RestoreError(
        "the model takes \(wanted) channels and gives \(given), which are no pictures")
    }
    if wanted == 6 {
      let pair = try dualPixelPair(image, right)
      result.pixels = try restore(planar(6, pair), progress: progress).pixels
      result.channels = given
    } else if right != nil {
      throw RestoreError(
        "a right view is for dual-pixel models, this model takes \(wanted) channels")
    } else if wanted == image.channels {
      result.pixels = try restore(planar(wanted, image.pixels), progress: progress).pixels
    } else if wanted == 1 {
      result.pixels = []
      for channel in 0..<image.channels {
        let pixels = Array(image.pixels[channel * plane..<(channel + 1) * plane])
        result.pixels += try restore(planar(1, pixels)) {
          try progress((Double(channel) + $0) / Double(image.channels))
        }.pixels
      }
    } else {
      let colour = try restore(planar(3, self.colour(image)), progress: progress).pixels
      result.pixels = (0..<plane).map {
        (colour[$0] + colour[$0 + plane] + colour[$0 + 2 * plane]) / 3
      }
    }
    return result
  }

  private func dualPixelPair(_ left: Image, _ right: Image?) throws -> [Float] {
    guard let right else {
      throw RestoreError("a dual-pixel model needs the right view too (--right)")
    }
    guard left.width == right.width, left.height == right.height else {
      throw RestoreError(
        "the views differ: left \(left.width)x\(left.height), right \(right.width)x\(right.height)")
    }
    return colour(left) + colour(right)
  }

  private func colour(_ image: Image) -> [Float] {
    image.channels == 3 ? image.pixels : image.pixels + image.pixels + image.pixels
  }
}
