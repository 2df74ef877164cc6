import Kernels
import XCTest

final class GraphTests: XCTestCase {
  /// y = 4x through a checkpointed segment: the gradient is 4 with and without it, bit for bit.
  func testCheckpointedGradientsAreTheSame() throws {
    var results: [[Float]] = []
    for checkpointed in [false, true] {
      let graph = Graph()
      let x = graph.placeholder(.vector(5))
      let body = { () -> Tensor in
        let twice = graph.add(x, x)
        return graph.add(twice, twice)
      }
      let y = checkpointed ? graph.checkpoint(body) : body()
      let seed = graph.placeholder(.vector(5))
      let gradient = try XCTUnwrap(
        graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: [x])[0])
      let plan = try Plan(graph, keeping: [gradient], on: CPUBackend())
      try plan.write([1, 2, 3, 4, 5], to: x)
      try plan.write([1, 0.5, 0.25, 3, -1], to: seed)
      try plan.run()
      results.append(try plan.read(gradient))
    }
    XCTAssertEqual(results[0], [4, 2, 1, 12, -4])
    XCTAssertEqual(results[0], results[1])
  }

  func testATensorWithoutAPathHasNoGradient() {
    let graph = Graph()
    let (a, b) = (graph.placeholder(.scalar), graph.placeholder(.scalar))
    let y = graph.add(a, a)
    let seed = graph.placeholder(.scalar)
    let gradients = graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: [a, b])
    XCTAssertNotNil(gradients[0])
    XCTAssertNil(gradients[1])
  }
}
