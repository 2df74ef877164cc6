import Kernels
import XCTest

/// Pixel shuffle, concat and slice: they move numbers, so results are exact.
final class ChannelLayoutTests: XCTestCase {
  func testPixelShuffle() throws {
    for coarse in [Shape(1, 4, 1, 1), Shape(2, 8, 3, 5), Shape(1, 4, 2, 19)] {
      let fine = Shape(coarse.n, coarse.c / 4, 2 * coarse.h, 2 * coarse.w)
      let source = (0..<fine.count).map { index in
        let (j, i) = (index % fine.w, index / fine.w % fine.h)
        let (c, n) = (index / fine.plane % fine.c, index / (fine.plane * fine.c))
        let channel = 4 * c + 2 * (i % 2) + j % 2
        return ((n * coarse.c + channel) * coarse.h + i / 2) * coarse.w + j / 2
      }
      try GradientCheck(
        inputs: [coarse], record: { $0.pixelShuffle($1[0]) },
        reference: { values in source.map { values[0][$0] } }
      ).run("shuffle \(coarse)", forward: 0)
      try GradientCheck(
        inputs: [fine], record: { $0.pixelUnshuffle($1[0]) },
        reference: { values in
          var result = [Double](repeating: 0, count: coarse.count)
          for (target, index) in source.enumerated() { result[index] = values[0][target] }
          return result
        }
      ).run("unshuffle \(fine)", forward: 0)
    }
  }

  func testConcat() throws {
    let (a, b) = (Shape(2, 3, 3, 5), Shape(2, 2, 3, 5))
    try GradientCheck(
      inputs: [a, b], record: { $0.concat($1[0], $1[1]) },
      reference: { values in
        let (a, b) = (values[0], values[1])
        return Array(a[..<45]) + Array(b[..<30]) + Array(a[45...]) + Array(b[30...])
      }
    ).run("concat", forward: 0)
  }

  func testSlice() throws {
    try GradientCheck(
      inputs: [Shape(2, 4, 3, 5)], record: { $0.slice($1[0], offset: 1, count: 2) },
      reference: { values in Array(values[0][15..<45]) + Array(values[0][75..<105]) }
    ).run("slice", forward: 0)
  }
}
