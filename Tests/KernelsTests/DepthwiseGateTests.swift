import Kernels
import TestSupport
import XCTest

final class DepthwiseGateTests: XCTestCase {
  /// Shapes of the result: single pixels, lines, and planes cut into several tiles of 32 by 128
  /// pixels.
  func testAgainstDirectSums() throws {
    for shape in [
      Shape(1, 1, 1, 1), Shape(1, 2, 1, 9), Shape(2, 1, 9, 1), Shape(2, 2, 6, 17),
      Shape(1, 1, 35, 3), Shape(1, 1, 2, 131),
    ] {
      let x = shape.channels(2 * shape.c)
      try GradientCheck(
        inputs: [x, Shape(x.c, 1, 3, 3)], record: { $0.apply(DepthwiseGate(), $1)[0] },
        reference: definition(DepthwiseGate(), [x, Shape(x.c, 1, 3, 3)])
      ).run("\(shape)")
      try GradientCheck(
        inputs: [x, Shape(x.c, 1, 3, 3), .vector(x.c)],
        record: { $0.apply(DepthwiseGate(), $1)[0] },
        reference: definition(DepthwiseGate(), [x, Shape(x.c, 1, 3, 3), .vector(x.c)])
      ).run("\(shape) with bias")
    }
  }

  /// The same numbers as the two operators that it stands for.
  func testAgainstTheSimpleOperators() throws {
    let shape = Shape(2, 6, 37, 140)
    let device = try Device.shared()
    var results: [[[Float]]] = []
    for fused in [false, true] {
      let graph = Graph()
      let x = graph.placeholder(shape)
      let weight = graph.placeholder(Shape(shape.c, 1, 3, 3))
      let y =
        fused
        ? graph.apply(DepthwiseGate(), [x, weight])[0]
        : graph.geluGate(graph.depthwiseConv(x, weight: weight))
      let seed = graph.placeholder(y.shape)
      let gradients = graph.gradients(
        from: [GradientSeed(y, gradient: seed)], wrt: [x, weight]
      ).compactMap { $0 }
      let values = OpCase(Fill(0, .scalar), [shape, weight.shape, y.shape]).randomInputs(seed: 5)
      results.append(
        try evaluate(
          graph, Array(zip([x, weight, seed], values)), [y] + gradients, on: device))
    }
    for (simple, fused) in zip(results[0], results[1]) {
      XCTAssertLessThanOrEqual(OpCheck.relativeError(fused, simple), 1e-5)
    }
  }
}
