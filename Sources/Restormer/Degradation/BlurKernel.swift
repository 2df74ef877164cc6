import Foundation

/// The weights with which a blur spreads a point over its neighbours; their sum is 1.
package struct BlurKernel: Sendable, Hashable {
  /// One neighbour.
  package struct Tap: Sendable, Hashable {
    /// Columns to the right and rows down.
    package let x: Int
    /// Rows down.
    package let y: Int
    /// Its share of the point's light.
    package let weight: Float
  }

  /// The neighbours with a weight above 0.
  package let taps: [Tap]

  /// The farthest column or row that is reached.
  package var reach: Int { taps.map { max(abs($0.x), abs($0.y)) }.max() ?? 0 }

  /// Scales `weights`, a square around the centre, row by row, to a sum of 1.
  private init(reach: Int, weights: [Double]) {
    let (side, sum) = (2 * reach + 1, weights.reduce(0, +))
    taps = weights.indices.filter { weights[$0] > 0 }.map {
      Tap(x: $0 % side - reach, y: $0 / side - reach, weight: Float(weights[$0] / sum))
    }
  }

  /// A lens out of focus: a uniform disk of `radius` pixels. A pixel on its rim has the share of
  /// its area that the disk covers: k(x, y) = |pixel(x, y) ∩ disk| / (π radius²).
  package static func disk(radius: Double) -> BlurKernel {
    guard radius > 0 else { return BlurKernel(reach: 0, weights: [1]) }
    let reach = Int((radius + 0.5).rounded(.down))
    var weights: [Double] = []
    for y in -reach...reach {
      for x in -reach...reach { weights.append(covered(x: abs(x), y: y, radius: radius)) }
    }
    return BlurKernel(reach: reach, weights: weights)
  }

  /// The area of a pixel inside the disk: the mean length over chords, which are exact.
  private static func covered(x: Int, y: Int, radius: Double) -> Double {
    let chords = 32
    return (0..<chords).reduce(0) { sum, index in
      let height = Double(y) - 0.5 + (Double(index) + 0.5) / Double(chords)
      let half = max(0, radius * radius - height * height).squareRoot()
      let (left, right) = (max(Double(x) - 0.5, -half), min(Double(x) + 0.5, half))
      return sum + max(0, right - left) / Double(chords)
    }
  }

  /// A camera that moves evenly during the exposure: a straight path of `length` pixels at `angle`
  /// degrees, counted from the right upwards. Each point of the path is shared bilinearly among the
  /// four pixels around it.
  package static func motion(length: Double, angle: Double) -> BlurKernel {
    let reach = Int((length / 2).rounded(.up)) + 1
    let side = 2 * reach + 1
    var weights = [Double](repeating: 0, count: side * side)
    let count = max(1, Int((16 * length).rounded(.up)))
    for index in 0..<count {
      let place = length * ((Double(index) + 0.5) / Double(count) - 0.5)
      let (x, y) = (
        place * cos(angle * .pi / 180) + Double(reach),
        -place * sin(angle * .pi / 180) + Double(reach)
      )
      share(x, y) { weights[$1 * side + $0] += $2 }
    }
    return BlurKernel(reach: reach, weights: weights)
  }

  /// Half of a Gaussian blur, which is one of rows after one of columns:
  /// k(i) = exp(-i² / (2 sigma²)) / sum, for |i| up to 3 sigma.
  package static func gaussian(sigma: Double, vertical: Bool) -> BlurKernel {
    guard sigma > 0 else { return BlurKernel(reach: 0, weights: [1]) }
    let reach = max(1, Int((3 * sigma).rounded(.up)))
    var weights: [Double] = []
    for y in -reach...reach {
      for x in -reach...reach {
        let (along, across) = vertical ? (y, x) : (x, y)
        weights.append(across == 0 ? exp(-Double(along * along) / (2 * sigma * sigma)) : 0)
      }
    }
    return BlurKernel(reach: reach, weights: weights)
  }
}

/// Shares a point between the four pixels around it, bilinearly: calls `add` with column, row and
/// share.
func share(_ x: Double, _ y: Double, _ add: (Int, Int, Double) -> Void) {
  let (left, top) = (x.rounded(.down), y.rounded(.down))
  let (right, low) = (x - left, y - top)
  let (column, row) = (Int(left), Int(top))
  add(column, row, (1 - right) * (1 - low))
  add(column + 1, row, right * (1 - low))
  add(column, row + 1, (1 - right) * low)
  add(column + 1, row + 1, right * low)
}

extension PlanarImage {
  /// Every plane blurred: out(x, y) = Σ k(i, j) in(x - i, y - j), mirrored beyond the edges.
  func blurred(by kernel: BlurKernel) -> PlanarImage {
    let reach = kernel.reach
    guard reach > 0 else { return self }
    let padded = window(x: -reach, y: -reach, width: width + 2 * reach, height: height + 2 * reach)
    var result = self
    result.pixels = [Float](repeating: 0, count: pixels.count)
    result.pixels.withUnsafeMutableBufferPointer { out in
      padded.pixels.withUnsafeBufferPointer { source in
        for row in 0..<channels * height {
          let (channel, y) = (row / height, row % height)
          let to = row * width
          for tap in kernel.taps {
            let line = channel * padded.height + y + reach - tap.y
            let from = line * padded.width + reach - tap.x
            for x in 0..<width { out[to + x] += tap.weight * source[from + x] }
          }
        }
      }
    }
    return result
  }
}
