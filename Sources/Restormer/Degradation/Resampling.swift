extension PlanarImage {
  /// The image at 1/`factor` of its width and height, scaled back to its own size.
  func downscaled(by factor: Double) -> PlanarImage {
    let small = (
      width: max(1, Int((Double(width) / factor).rounded())),
      height: max(1, Int((Double(height) / factor).rounded()))
    )
    return resampled(width: small.width, height: small.height)
      .resampled(width: width, height: height)
  }

  /// The image at another size, by a cubic filter (Catmull and Rom's) that is as wide as the
  /// coarser of the two grids.
  func resampled(width newWidth: Int, height newHeight: Int) -> PlanarImage {
    let (columns, rows) = (
      Self.taps(from: width, to: newWidth), Self.taps(from: height, to: newHeight)
    )
    var wide = [Float](repeating: 0, count: channels * height * newWidth)
    for row in 0..<channels * height {
      for (x, taps) in columns.enumerated() {
        var sum: Float = 0
        for tap in taps { sum += tap.weight * pixels[row * width + tap.index] }
        wide[row * newWidth + x] = sum
      }
    }
    var result = [Float](repeating: 0, count: channels * newHeight * newWidth)
    for channel in 0..<channels {
      for (y, taps) in rows.enumerated() {
        let to = (channel * newHeight + y) * newWidth
        for tap in taps {
          let from = (channel * height + tap.index) * newWidth
          for x in 0..<newWidth { result[to + x] += tap.weight * wide[from + x] }
        }
      }
    }
    return PlanarImage(width: newWidth, height: newHeight, channels: channels, pixels: result)
  }

  /// For each of `new` samples the old ones that it is made of, with weights whose sum is 1.
  private static func taps(from old: Int, to new: Int) -> [[(index: Int, weight: Float)]] {
    let scale = Double(old) / Double(new)
    let stretch = max(1, scale)
    return (0..<new).map { sample in
      let centre = (Double(sample) + 0.5) * scale - 0.5
      let first = Int((centre - 2 * stretch).rounded(.up))
      let last = Int((centre + 2 * stretch).rounded(.down))
      let weights = (first...last).map { cubic((Double($0) - centre) / stretch) }
      let sum = weights.reduce(0, +)
      return zip(first...last, weights).map { index, weight in
        (min(max(index, 0), old - 1), Float(weight / sum))
      }
    }
  }

  /// Keys' cubic with a = -1/2.
  private static func cubic(_ distance: Double) -> Double {
    let t = abs(distance)
    if t < 1 { return (1.5 * t - 2.5) * t * t + 1 }
    return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0
  }
}
