import Kernels
import TestSupport
import XCTest

final class PixelLossTests: XCTestCase {
  func testAgainstMeans() throws {
    for shape in [Shape.scalar, Shape(2, 3, 5, 7), Shape(1, 2, 16, 16)] {
      for kind in [
        PixelLoss.Kind.l1, .mse, .charbonnier(epsilon: 0.001), .charbonnier(epsilon: 0.3),
      ] {
        try GradientCheck(
          inputs: [shape, shape], record: { $0.pixelLoss(kind, $1[0], $1[1]).loss },
          reference: definition(PixelLoss(kind), [shape, shape]), differentiable: 1
        ).run("\(kind) \(shape)")
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
}
