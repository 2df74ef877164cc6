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
        reference: { directSums($0, shape) }
      ).run("\(shape)")
      try GradientCheck(
        inputs: [shape, weight, .vector(shape.c)],
        record: { $0.depthwiseConv($1[0], weight: $1[1], bias: $1[2]) },
        reference: { directSums($0, shape) }
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

/// The convolution as its formula reads.
private func directSums(_ values: [[Double]], _ shape: Shape) -> [Double] {
  var y: [Double] = []
  for n in 0..<shape.n {
    for c in 0..<shape.c {
      for i in 0..<shape.h {
        for j in 0..<shape.w {
          var sum = values.count == 3 ? values[2][c] : 0
          for ky in 0..<3 {
            for kx in 0..<3 {
              let (row, column) = (i + ky - 1, j + kx - 1)
              guard row >= 0, row < shape.h, column >= 0, column < shape.w else { continue }
              let x = values[0][((n * shape.c + c) * shape.h + row) * shape.w + column]
              sum += values[1][9 * c + 3 * ky + kx] * x
            }
          }
          y.append(sum)
        }
      }
    }
  }
  return y
}
