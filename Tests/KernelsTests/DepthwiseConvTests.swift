import Kernels
import XCTest

final class DepthwiseConvTests: XCTestCase {
  func testAgainstDirectSums() throws {
    for shape in [
      Shape(1, 2, 1, 1), Shape(1, 2, 1, 9), Shape(1, 2, 9, 1), Shape(2, 3, 2, 2),
      Shape(2, 2, 7, 17), Shape(1, 1, 6, 34),
    ] {
      let weight = Shape(shape.c, 1, 3, 3)
      try GradientCheck(
        inputs: [shape, weight], record: { $0.depthwiseConv($1[0], weight: $1[1]) },
        reference: definition(DepthwiseConv(), [shape, weight])
      ).run("\(shape)")
      try GradientCheck(
        inputs: [shape, weight, .vector(shape.c)],
        record: { $0.depthwiseConv($1[0], weight: $1[1], bias: $1[2]) },
        reference: definition(DepthwiseConv(), [shape, weight, .vector(shape.c)])
      ).run("\(shape) with bias")
    }
  }

  func testMultiplyAdds() {
    let graph = Graph()
    let x = graph.placeholder(Shape(2, 5, 4, 3))
    let y = graph.depthwiseConv(x, weight: graph.placeholder(Shape(5, 1, 3, 3)))
    XCTAssertEqual(graph.multiplyAdds(yielding: [y]), 9 * 2 * 5 * 4 * 3)
  }
}
