import Kernels
import TestSupport
import XCTest

final class PixelLossTests: XCTestCase {
  func testAgainstMeans() throws {
    for shape in [Shape.scalar, Shape(2, 3, 5, 7), Shape(1, 2, 16, 16)] {
      try check("L1", shape, { $0.pixelLoss(.l1, $1, $2).loss }, abs)
      try check("MSE", shape, { $0.pixelLoss(.mse, $1, $2).loss }, { $0 * $0 })
      for epsilon in [Float(0.001), 0.3] {
        try check(
          "Charbonnier", shape, { $0.pixelLoss(.charbonnier(epsilon: epsilon), $1, $2).loss },
          { ($0 * $0 + Double(epsilon) * Double(epsilon)).squareRoot() })
      }
    }
  }

  func testEqualImages() throws {
    let values = (0..<40).map { Float($0) / 7 }
    for backend in [try? Device.shared(), try? Device.gpuShaped()] {
      for (kind, expected) in [(PixelLoss.Kind.l1, Float(0)), (.mse, 0), (.charbonnier(), 0.001)] {
        let graph = Graph()
        let (p, t) = (
          graph.placeholder(Shape(1, 1, 4, 10)), graph.placeholder(Shape(1, 1, 4, 10))
        )
        let y = graph.pixelLoss(kind, p, t).loss
        let seed = GradientSeed(y, gradient: graph.fill(1, .scalar))
        let gp = try XCTUnwrap(graph.gradients(from: [seed], wrt: [p])[0])
        let feeds = [(p, values), (t, values)]
        var runs = [try evaluate(graph, feeds, [y, gp], on: CPUBackend())]
        if let backend { runs.append(try evaluate(graph, feeds, [y, gp], on: backend)) }
        for results in runs {
          XCTAssertEqual(results[0][0], expected, accuracy: 1e-9)
          XCTAssertEqual(results[1], [Float](repeating: 0, count: 40))
        }
      }
    }
  }

  private func check(
    _ name: String, _ shape: Shape, _ record: @escaping (Graph, Tensor, Tensor) -> Tensor,
    _ value: @escaping (Double) -> Double
  ) throws {
    try GradientCheck(
      inputs: [shape, shape], record: { record($0, $1[0], $1[1]) },
      reference: { values in
        let sum = zip(values[0], values[1]).reduce(0) { $0 + value($1.0 - $1.1) }
        return [sum / Double(shape.count)]
      }, differentiable: 1
    ).run("\(name) \(shape)")
  }
}
