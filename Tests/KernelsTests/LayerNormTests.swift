import Kernels
import TestSupport
import XCTest

final class LayerNormTests: XCTestCase {
  private static let shapes = [
    Shape(2, 5, 3, 7), Shape(1, 3, 1, 1), Shape(1, 8, 9, 8), Shape(2, 2, 1, 9), Shape(1, 17, 5, 4),
  ]

  private static func definition(_ shape: Shape, bias: Bool) -> ([[Double]]) -> [Double] {
    KernelsTests.definition(
      LayerNorm(bias: bias), [shape, .vector(shape.c)] + (bias ? [.vector(shape.c)] : []))
  }

  func testCentredAgainstDefinition() throws {
    for shape in Self.shapes {
      try GradientCheck(
        inputs: [shape, .vector(shape.c), .vector(shape.c)],
        record: { $0.layerNorm($1[0], weight: $1[1], bias: $1[2]) },
        reference: Self.definition(shape, bias: true)
      ).run("with bias \(shape)")
    }
  }

  func testUncentredAgainstDefinition() throws {
    for shape in Self.shapes + [Shape(1, 1, 2, 3)] {
      try GradientCheck(
        inputs: [shape, .vector(shape.c)],
        record: { $0.layerNorm($1[0], weight: $1[1], bias: nil) },
        reference: Self.definition(shape, bias: false)
      ).run("bias free \(shape)")
    }
  }

  /// `x + norm(x)`: the gradient of the norm is computed onto that of the residual.
  func testGradientIsAddedToTheResidual() throws {
    for shape in Self.shapes {
      try GradientCheck(
        inputs: [shape, .vector(shape.c)],
        record: { graph, inputs in
          graph.add(inputs[0], graph.layerNorm(inputs[0], weight: inputs[1], bias: nil))
        },
        reference: { values in
          zip(values[0], Self.definition(shape, bias: false)(values)).map { $0 + $1 }
        }
      ).run("residual \(shape)")
    }
  }

  /// The residual's sum costs no operator of its own.
  func testNoAdditionIsLeftOfTheResidual() throws {
    let graph = Graph()
    let x = graph.placeholder(Shape(1, 4, 3, 3))
    let weight = graph.placeholder(.vector(4))
    let y = graph.add(x, graph.layerNorm(x, weight: weight, bias: nil))
    let seed = graph.placeholder(y.shape)
    let gradient = try XCTUnwrap(
      graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: [x])[0])
    graph.lower(
      for: LoweringTarget(.host, .training, rules: .all), keeping: [gradient],
      [.afterDifferentiation])
    XCTAssertEqual(graph.nodes.map(\.op.name), ["LayerNorm", "LayerNormBackwardInput"])
  }

  /// A mean a million times the deviation: its rounding must not show in the output.
  func testVarianceFarBelowTheMean() throws {
    let shape = Shape(2, 48, 9, 8)
    for (level, deviation) in [(0.25, 1e-3), (30, 1e-2), (1000, 1e-1), (-1e5, 1)] {
      for (name, results) in try evaluations(shape, bias: true, level, deviation) {
        let error = OpCheck.relativeError(results.found, results.expected)
        XCTAssertLessThan(error, 2e-6, "\(name), \(level) ± \(deviation)")
      }
    }
  }

  /// Without centring the deviation alone must be exact.
  func testVarianceFarBelowTheMeanWithoutCentring() throws {
    let shape = Shape(2, 48, 9, 8)
    for (level, deviation) in [(0.25, 1e-3), (30, 1e-2), (1000, 1e-1), (-1e5, 1)] {
      for (name, results) in try evaluations(shape, bias: false, level, deviation) {
        let error = OpCheck.relativeError(results.found, results.expected)
        XCTAssertLessThan(error, 2e-6, "\(name), \(level) ± \(deviation)")
      }
    }
  }

  /// A constant pixel has variance 0: nothing is left of it but the bias.
  func testConstantPixels() throws {
    let shape = Shape(1, 6, 2, 5)
    let graph = Graph()
    let (x, w, b) = (
      graph.placeholder(shape), graph.placeholder(.vector(6)), graph.placeholder(.vector(6))
    )
    let y = graph.layerNorm(x, weight: w, bias: b)
    let bias = (0..<6).map(Float.init)
    let feeds = [
      (x, [Float](repeating: 0.1, count: shape.count)), (w, [Float](repeating: 2, count: 6)),
      (b, bias),
    ]
    for (name, results) in try onEveryBackend(graph, feeds, [y]) {
      for (index, value) in results[0].enumerated() {
        XCTAssertEqual(value, bias[index / shape.plane], accuracy: 1e-5, name)
      }
    }
  }

  func testNaNStaysInItsPixel() throws {
    let shape = Shape(1, 4, 3, 30)
    let graph = Graph()
    let (x, w) = (graph.placeholder(shape), graph.placeholder(.vector(4)))
    let y = graph.layerNorm(x, weight: w, bias: nil)
    var values = (0..<shape.count).map { Float($0 % 7) }
    values[2 * shape.plane + 31] = .nan
    for (name, results) in try onEveryBackend(
      graph, [(x, values), (w, [Float](repeating: 1, count: 4))], [y])
    {
      for (index, value) in results[0].enumerated() {
        XCTAssertEqual(value.isNaN, index % shape.plane == 31, "\(name), element \(index)")
      }
    }
  }

  private func evaluations(
    _ shape: Shape, bias: Bool, _ level: Double, _ deviation: Double
  ) throws -> [(String, (found: [Float], expected: [Float]))] {
    let graph = Graph()
    let placeholders = [shape, .vector(shape.c), .vector(shape.c)].map(graph.placeholder)
    let y = graph.layerNorm(
      placeholders[0], weight: placeholders[1], bias: bias ? placeholders[2] : nil)
    var values = OpCase(Fill(0, .scalar), placeholders.map(\.shape)).randomInputs(seed: 5)
    values[0] = values[0].map { Float(level + deviation * Double($0)) }
    let double = values.map { $0.map(Double.init) }
    let expected = Self.definition(shape, bias: bias)(double)
    return try onEveryBackend(graph, Array(zip(placeholders, values)), [y]).map {
      ($0, (found: $1[0], expected: expected.map { Float($0) }))
    }
  }
}
