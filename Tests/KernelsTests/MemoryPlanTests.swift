import Kernels
import XCTest

final class MemoryPlanTests: XCTestCase {
  /// A chain x -> a -> b -> c -> ... of additions.
  private func chain(_ length: Int, shape: Shape) -> (graph: Graph, input: Tensor, output: Tensor) {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let output = (0..<length).reduce(input) { x, _ in graph.add(x, x) }
    return (graph, input, output)
  }

  func testAChainNeedsTwoTensorsBesidesItsInput() {
    let shape = Shape(1, 4, 16, 16)
    let (graph, input, output) = chain(20, shape: shape)
    let plan = MemoryPlan(
      nodes: graph.nodes(yielding: [output]), kept: [output, input], external: [], limit: .max,
      scratch: { _, _ in [] })
    let one = 4 * paddedPlaneStride(shape) * 4
    XCTAssertEqual(plan.bytes, 3 * one)
    XCTAssertEqual(plan.slabs.count, 1)
  }

  func testSlabsRespectTheAllocationLimit() {
    let shape = Shape(1, 4, 16, 16)
    let one = 4 * paddedPlaneStride(shape) * 4
    let (graph, input, output) = chain(20, shape: shape)
    let plan = MemoryPlan(
      nodes: graph.nodes(yielding: [output]), kept: [output, input], external: [], limit: one,
      scratch: { _, _ in [] })
    XCTAssertEqual(plan.slabs.count, 3)
    XCTAssertTrue(plan.slabs.allSatisfy { 4 * $0 <= one })
  }

  func testUnusedNodesArePruned() {
    let (graph, input, output) = chain(3, shape: .vector(8))
    _ = graph.add(input, output)
    XCTAssertEqual(graph.nodes(yielding: [output]).count, 3)
  }

  /// Values survive whatever reuse of memory the plan chose.
  func testARunOverManyLiveTensorsIsExact() throws {
    let graph = Graph()
    let shape = Shape(2, 3, 9, 11)
    let input = graph.placeholder(shape)
    var tensors = [input]
    for index in 0..<40 {
      tensors.append(graph.add(tensors[index], tensors[(index * 7) / 9]))
    }
    let kept = [tensors[40], tensors[13]]
    let plan = try Plan(graph, keeping: kept, on: CPUBackend())
    let values = (0..<shape.count).map { Float($0 % 5) }
    try plan.write(values, to: input)
    try plan.run()
    var factors: [Double] = [1]
    for index in 0..<40 { factors.append(factors[index] + factors[(index * 7) / 9]) }
    for (tensor, factor) in zip(kept, [factors[40], factors[13]]) {
      let expected = values.map { Float(Double($0) * factor) }
      XCTAssertLessThan(OpCheck.relativeError(try plan.read(tensor), expected), 1e-6)
    }
  }
}
