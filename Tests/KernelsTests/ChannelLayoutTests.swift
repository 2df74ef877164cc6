import Kernels
import XCTest

/// Pixel shuffle, concat and slice: they move numbers, so results are exact.
final class ChannelLayoutTests: XCTestCase {
  func testPixelShuffle() throws {
    for coarse in [Shape(1, 4, 1, 1), Shape(2, 8, 3, 5), Shape(1, 4, 2, 19)] {
      let fine = Shape(coarse.n, coarse.c / 4, 2 * coarse.h, 2 * coarse.w)
      try GradientCheck(
        inputs: [coarse], record: { $0.pixelShuffle($1[0]) },
        reference: definition(PixelShuffle(), [coarse])
      ).run("shuffle \(coarse)", forward: 0)
      try GradientCheck(
        inputs: [fine], record: { $0.pixelUnshuffle($1[0]) },
        reference: definition(PixelUnshuffle(), [fine])
      ).run("unshuffle \(fine)", forward: 0)
    }
  }

  func testConcat() throws {
    let (a, b) = (Shape(2, 3, 3, 5), Shape(2, 2, 3, 5))
    try GradientCheck(
      inputs: [a, b], record: { $0.concat($1[0], $1[1]) },
      reference: definition(Concat(), [a, b])
    ).run("concat", forward: 0)
  }

  func testSlice() throws {
    try GradientCheck(
      inputs: [Shape(2, 4, 3, 5)], record: { $0.slice($1[0], offset: 1, count: 2) },
      reference: definition(ChannelSlice(offset: 1, count: 2), [Shape(2, 4, 3, 5)])
    ).run("slice", forward: 0)
  }
}
