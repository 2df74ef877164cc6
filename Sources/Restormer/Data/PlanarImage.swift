/// A planar image in memory: `channels` planes of `height x width`, row-major.
package struct PlanarImage: Sendable {
  /// Columns.
  package var width: Int
  /// Rows.
  package var height: Int
  /// Planes.
  package var channels: Int
  /// Values, plane after plane.
  package var pixels: [Float]

  /// An image over `pixels`, whose count must be `channels * height * width`.
  package init(width: Int, height: Int, channels: Int, pixels: [Float]) {
    precondition(pixels.count == width * height * channels, "PlanarImage: \(pixels.count) pixels")
    (self.width, self.height, self.channels) = (width, height, channels)
    self.pixels = pixels
  }

  /// An image of zeros.
  init(width: Int, height: Int, channels: Int) {
    self.init(
      width: width, height: height, channels: channels,
      pixels: [Float](repeating: 0, count: width * height * channels))
  }

  /// Replaces row `y` of every plane by `[channels, width]` values.
  mutating func setRow(_ y: Int, _ row: [Float]) {
    for channel in 0..<channels {
      let start = (channel * height + y) * width
      for x in 0..<width { pixels[start + x] = row[channel * width + x] }
    }
  }

  /// The window at `(x, y)` of `width x height`, which may reach beyond the edges: there the image
  /// is mirrored without repeating the edge (PyTorch's `reflect`), as often as needed.
  func window(x: Int, y: Int, width: Int, height: Int) -> PlanarImage {
    window(x, y, width, height)
  }

  func window(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> PlanarImage {
    let columns = (x..<x + width).map { mirrored($0, self.width) }
    let inside = x >= 0 && x + width <= self.width
    let pixels = [Float](unsafeUninitializedCapacity: width * height * channels) { out, count in
      self.pixels.withUnsafeBufferPointer { source in
        var target = 0
        for channel in 0..<channels {
          for row in y..<y + height {
            let line = (channel * self.height + mirrored(row, self.height)) * self.width
            if inside {
              for column in 0..<width { out[target + column] = source[line + x + column] }
            } else {
              for column in 0..<width { out[target + column] = source[line + columns[column]] }
            }
            target += width
          }
        }
      }
      count = width * height * channels
    }
    return PlanarImage(width: width, height: height, channels: channels, pixels: pixels)
  }
}

/// The index within `0..<count` that a mirror at both ends shows at `index`.
func mirrored(_ index: Int, _ count: Int) -> Int {
  guard count > 1 else { return 0 }
  let period = 2 * (count - 1)
  let phase = abs(index) % period
  return phase < count ? phase : period - phase
}
