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
      nodes: graph.nodes(yielding: [output]), kept: [output, input], external: [], limit: one / 4,
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

/// Tensors that share memory: outputs in the place of inputs, joined tensors side by side.
final class SharedMemoryTests: XCTestCase {
  private let shape = Shape(1, 8, 16, 16)
  private var one: Int { 4 * 8 * paddedPlaneStride(shape) }

  private func feedForward(_ graph: Graph, _ x: Tensor) -> Tensor {
    let c = x.shape.c
    let weights = [
      .vector(c), Shape(2 * c, c, 1, 1), Shape(2 * c, 1, 3, 3), Shape(c, c, 1, 1),
    ].map(graph.placeholder)
    return graph.apply(FeedForwardBlock(normBias: false, bias: false), [x] + weights)[0]
  }

  private func bytes(_ graph: Graph, _ input: Tensor, _ output: Tensor) -> Int {
    graph.lower(for: LoweringTarget(.host, .inference, rules: .all), keeping: [output])
    return MemoryPlan(
      nodes: graph.nodes, kept: [output, input],
      external: Set(graph.placeholders.filter { $0 != input }.map(\.id)), limit: .max,
      scratch: { _, _ in [] }
    ).bytes
  }

  func testABlockTakesThePlaceOfItsInput() {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let first = graph.add(input, input)
    let output = feedForward(graph, feedForward(graph, first))
    XCTAssertEqual(bytes(graph, input, output), 2 * one)
  }

  func testAnInputThatIsReadAgainKeepsItsPlace() {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let first = graph.add(input, input)
    let output = graph.add(feedForward(graph, first), first)
    XCTAssertEqual(bytes(graph, input, output), 4 * one)
  }

  func testJoinedTensorsLieSideBySide() {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let (a, b) = (graph.add(input, input), feedForward(graph, graph.add(input, input)))
    let output = feedForward(graph, graph.concat(a, b))
    XCTAssertEqual(bytes(graph, input, output), 3 * one)
  }

  /// The half that is joined later leaves its place to others until then.
  func testTheFreeHalfIsUsedMeanwhile() {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let early = graph.add(input, input)
    let wide = graph.add(early, input)
    let late = graph.add(wide, wide)
    let output = graph.concat(late, early)
    XCTAssertEqual(bytes(graph, input, output), 4 * one)
  }

  func testAJoinedTensorThatIsReadAgainIsCopied() throws {
    let graph = Graph()
    let input = graph.placeholder(shape)
    let (a, b) = (graph.add(input, input), graph.add(input, input))
    let joined = graph.concat(a, b)
    let output = graph.add(a, b)
    graph.lower(for: LoweringTarget(.host, .inference, rules: .all), keeping: [joined, output])
    let plan = try Plan(graph, keeping: [joined, output], on: CPUBackend())
    let values = (0..<shape.count).map { Float($0 % 7) }
    try plan.write(values, to: input)
    try plan.run()
    XCTAssertEqual(try plan.read(output), values.map { 4 * $0 })
    XCTAssertEqual(try plan.read(joined), values.map { 2 * $0 } + values.map { 2 * $0 })
  }
}
