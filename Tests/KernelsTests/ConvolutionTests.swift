import Kernels
import TestSupport
import XCTest

/// The dense convolutions against their definition in double precision, on every backend.
final class ConvolutionTests: XCTestCase {
  func testGradientsAgainstDifferences() throws {
    for (x, outputs) in [
      (Shape(1, 2, 1, 1), 3), (Shape(1, 2, 1, 9), 3), (Shape(1, 2, 9, 1), 2),
      (Shape(2, 3, 2, 2), 2), (Shape(2, 2, 5, 17), 3),
    ] {
      for size in [1, 3] {
        let definition = ConvolutionReference(x: x, weight: Shape(outputs, x.c, size, size))
        try GradientCheck(
          inputs: [x, definition.weight, .vector(outputs)],
          record: { convolution(size, $0, $1[0], $1[1], $1[2]) },
          reference: { definition.output($0[0], $0[1], bias: $0[2]) }
        ).run("\(size)x\(size) on \(x)")
      }
    }
  }

  func testResidualPassesItsGradient() throws {
    let definition = ConvolutionReference(x: Shape(2, 3, 4, 5), weight: Shape(4, 3, 1, 1))
    try GradientCheck(
      inputs: [definition.x, definition.weight, .vector(4), definition.y],
      record: { $0.apply(Conv1x1(bias: true, residual: true), $1)[0] },
      reference: { definition.output($0[0], $0[1], bias: $0[2], residual: $0[3]) }
    ).run("with residual")
  }

  /// The input is its own residual, as around a block: both of its gradients add up.
  func testInputAsResidual() throws {
    let definition = ConvolutionReference(x: Shape(1, 3, 3, 7), weight: Shape(3, 3, 1, 1))
    try GradientCheck(
      inputs: [definition.x, definition.weight],
      record: { $0.apply(Conv1x1(residual: true), [$1[0], $1[1], $1[0]])[0] },
      reference: { definition.output($0[0], $0[1], residual: $0[0]) }
    ).run("around itself")
  }

  /// The channel counts of the model's blocks, most of them odd, at few pixels.
  func testPointwiseAtTheModelsChannels() throws {
    for (x, outputs) in [
      (Shape(1, 8, 16, 16), 24), (Shape(1, 48, 9, 16), 254), (Shape(2, 127, 8, 8), 48),
      (Shape(1, 96, 13, 17), 510), (Shape(1, 255, 5, 13), 96), (Shape(1, 1021, 8, 8), 384),
      (Shape(1, 16, 33, 65), 16),
    ] {
      try check(1, ConvolutionReference(x: x, weight: Shape(outputs, x.c, 1, 1)))
    }
  }

  func testSpatialAtTheModelsChannels() throws {
    for (x, outputs) in [
      (Shape(1, 3, 33, 41), 48), (Shape(1, 48, 16, 16), 24), (Shape(2, 96, 8, 8), 192),
      (Shape(1, 96, 9, 35), 3), (Shape(1, 24, 64, 2), 7),
    ] {
      try check(3, ConvolutionReference(x: x, weight: Shape(outputs, x.c, 3, 3)))
    }
  }

  func testNaNReachesOnlyItsNeighbours() throws {
    let (x, place) = (Shape(1, 2, 6, 40), 3 * 40 + 16)
    for size in [1, 3] {
      let graph = Graph()
      let input = graph.placeholder(x)
      let weight = graph.placeholder(Shape(7, 2, size, size))
      let y = convolution(size, graph, input, weight, nil)
      var values = [Float](repeating: 1, count: x.count)
      values[place] = .nan
      let ones = [Float](repeating: 1, count: weight.shape.count)
      for (name, results) in try onEveryBackend(graph, [(input, values), (weight, ones)], [y]) {
        for (index, value) in results[0].enumerated() {
          let (row, column) = (index % x.plane / x.w, index % x.w)
          let near = abs(row - place / x.w) <= size / 2 && abs(column - place % x.w) <= size / 2
          XCTAssertEqual(value.isNaN, near, "\(size)x\(size), \(name), element \(index)")
        }
      }
    }
  }

  /// A million summands: the rounding error must not grow with their number.
  func testLongSumsStayExact() throws {
    let graph = Graph()
    let (x, gy) = (Shape(1, 3, 1024, 1024), Shape(1, 5, 1024, 1024))
    let inputs = [x, gy].map(graph.placeholder)
    let gw = graph.apply(Conv1x1BackwardWeight(), inputs)[0]
    let sums = graph.apply(ChannelSum(), [inputs[1]])[0]
    let values = OpCase(ChannelSum(), [x, gy], [.unit, .unit]).randomInputs(seed: 3)
    let planes = values.map { $0.map(Double.init) }
    let expected = (0..<gy.c).flatMap { o in
      (0..<x.c).map { i in
        (0..<x.plane).reduce(0.0) { $0 + planes[1][o * x.plane + $1] * planes[0][i * x.plane + $1] }
      }
    }
    let totals = (0..<gy.c).map { planes[1][$0 * x.plane..<($0 + 1) * x.plane].reduce(0, +) }
    for (name, results) in try onEveryBackend(graph, Array(zip(inputs, values)), [gw, sums]) {
      for (found, wanted) in zip(results, [expected, totals]) {
        XCTAssertLessThan(
          OpCheck.relativeError(found, wanted.map { Float($0) }), 1e-6, "\(name)")
      }
    }
  }

  func testMultiplyAdds() {
    let graph = Graph()
    let x = graph.placeholder(Shape(2, 5, 4, 3))
    let y = graph.conv1x1(x, weight: graph.placeholder(Shape(7, 5, 1, 1)))
    XCTAssertEqual(graph.multiplyAdds(yielding: [y]), 2 * 5 * 7 * 12)
    let z = graph.conv3x3(x, weight: graph.placeholder(Shape(7, 5, 3, 3)))
    XCTAssertEqual(graph.multiplyAdds(yielding: [z]), 9 * 2 * 5 * 7 * 12)
  }

  /// Output and all gradients against the definition's own sums.
  private func check(_ size: Int, _ definition: ConvolutionReference) throws {
    let graph = Graph()
    let (x, w, b) = (
      graph.placeholder(definition.x), graph.placeholder(definition.weight),
      graph.placeholder(.vector(definition.y.c))
    )
    let y = convolution(size, graph, x, w, b)
    let seed = graph.placeholder(y.shape)
    let gradients = try graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: [x, w, b])
      .map { try XCTUnwrap($0) }
    let inputs = [x, w, b, seed]
    let values = OpCase(ChannelSum(), inputs.map(\.shape)).randomInputs(seed: UInt64(y.shape.count))
    let exact = values.map { $0.map(Double.init) }
    let slopes = definition.gradients(exact[0], exact[1], exact[3])
    let expected = [
      definition.output(exact[0], exact[1], bias: exact[2]), slopes.x, slopes.weight, slopes.bias,
    ]
    let runs = try onEveryBackend(graph, Array(zip(inputs, values)), [y] + gradients)
    for (name, results) in runs {
      for (label, pair) in zip(["y", "gx", "gw", "gb"], zip(results, expected)) {
        let error = OpCheck.relativeError(pair.0, pair.1.map { Float($0) })
        XCTAssertLessThan(
          error, 3e-6, "\(label) of \(size)x\(size), \(definition.x) to \(definition.y), \(name)")
      }
    }
  }
}

private func convolution(
  _ size: Int, _ graph: Graph, _ x: Tensor, _ weight: Tensor, _ bias: Tensor?
) -> Tensor {
  size == 1
    ? graph.conv1x1(x, weight: weight, bias: bias) : graph.conv3x3(x, weight: weight, bias: bias)
}
