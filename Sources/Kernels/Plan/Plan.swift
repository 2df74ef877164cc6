/// A graph compiled for one backend: memory laid out, every step bound. Running it only enqueues.
public final class Plan<B: Backend> {
  /// The layout of the plan's own memory.
  public let memory: MemoryPlan
  /// The backend it runs on.
  public let backend: B
  /// What a run does, in order.
  public let nodes: [PlannedNode]
  let steps: [B.Step]
  let parts: [PlanPart]
  private let views: [Int: TensorView<B.Storage>]

  /// Compiles what `kept` needs of `graph`.
  ///
  /// - Parameters:
  ///   - graph: the recorded operators.
  ///   - kept: the tensors that can be read after a run.
  ///   - backend: where to run.
  ///   - bindings: tensors whose memory lies outside the plan (parameters, gradients); they may be
  ///     placeholders or outputs of nodes.
  ///   - progress: told how many kinds of operators have their programs, and of how many.
  /// - Throws: the backend's error when memory or a kernel cannot be had.
  public init(
    _ graph: Graph, keeping kept: [Tensor], on backend: B,
    binding bindings: [Tensor: TensorView<B.Storage>] = [:],
    progress: (_ done: Int, _ count: Int) -> Void = { _, _ in }
  ) throws {
    let nodes = graph.nodes(yielding: kept)
    let memory = MemoryPlan(graph, keeping: kept, external: bindings.keys, on: backend)
    let slabs = try memory.slabs.map { try backend.makeStorage(count: $0) }
    func view(_ place: MemoryPlan.Place, _ shape: Shape) -> TensorView<B.Storage> {
      TensorView(
        slabs[place.slab], offset: place.offset, shape: shape, planeStride: place.planeStride)
    }
    var views: [Int: TensorView<B.Storage>] = [:]
    for (tensor, external) in bindings { views[tensor.id] = external }
    func locate(_ tensor: Tensor) -> TensorView<B.Storage> {
      if let known = views[tensor.id] { return known }
      guard let place = memory.places[tensor.id] else {
        preconditionFailure("Plan: tensor \(tensor.id) \(tensor.shape) has no memory")
      }
      let made = view(place, tensor.shape)
      views[tensor.id] = made
      return made
    }
    var (steps, work) = ([B.Step](), [Double]())
    var planned: [PlannedNode] = []
    let kinds = Set(nodes.map(\.op.name)).count
    var met: Set<String> = []
    for (node, places) in zip(nodes, memory.scratch) {
      if met.insert(node.op.name).inserted { progress(met.count - 1, kinds) }
      let bound = try backend.bind(
        node.op, node.inputs.map(locate), into: node.outputs.map(locate),
        scratch: places.map { view($0, Shape(1, 1, 1, $0.planeStride)) })
      steps += bound
      planned.append(
        PlannedNode(
          node, launches: bound.count, scratch: places.reduce(0) { $0 + $1.planeStride }))
      let cost = Double(node.op.multiplyAdds(node.inputs.map(\.shape)))
      work += bound.map { _ in cost / Double(bound.count) }
    }
    progress(kinds, kinds)
    for tensor in kept + graph.placeholders { _ = locate(tensor) }
    (self.memory, self.backend, self.nodes) = (memory, backend, planned)
    parts = PlanPart.parts(work)
    (self.steps, self.views) = (steps, views)
  }

  /// Runs every step; may return before the device is done (reading waits).
  public func run() throws { try backend.run(steps) }

  /// Copies dense row-major `values` into a placeholder.
  public func write(_ values: [Float], to tensor: Tensor) throws {
    try backend.write(values, to: view(of: tensor))
  }

  /// The values of a kept tensor, dense and row-major, after the last run.
  public func read(_ tensor: Tensor) throws -> [Float] { try backend.read(view(of: tensor)) }

  /// Where a kept tensor or placeholder lies.
  public func view(of tensor: Tensor) -> TensorView<B.Storage> {
    guard let view = views[tensor.id] else {
      preconditionFailure("Plan: tensor \(tensor.id) \(tensor.shape) was not kept")
    }
    return view
  }
}
