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
  /// How many steps have to be done before a kept tensor is final.
  private let ends: [Int: Int]
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
    func view(
      _ place: MemoryPlan.Place, _ shape: Shape, _ precision: Precision = .float
    ) -> TensorView<B.Storage> {
      TensorView(
        slabs[place.slab], offset: 4 * place.offset / precision.bytes, shape: shape,
        planeStride: place.planeStride, precision: precision)
    }
    var views: [Int: TensorView<B.Storage>] = [:]
    for (tensor, external) in bindings { views[tensor.id] = external }
    func locate(_ tensor: Tensor) -> TensorView<B.Storage> {
      if let known = views[tensor.id] { return known }
      guard let place = memory.places[tensor.id] else {
        preconditionFailure("Plan: tensor \(tensor.id) \(tensor.shape) has no memory")
      }
      let made = view(place, tensor.shape, tensor.precision)
      views[tensor.id] = made
      return made
    }
    var (steps, work, ends) = ([B.Step](), [Double](), [Int: Int]())
    var planned: [PlannedNode] = []
    let kinds = Set(nodes.map(\.op.name)).count
    var met: Set<String> = []
    for (node, places) in zip(nodes, memory.scratch) {
      if met.insert(node.op.name).inserted { progress(met.count - 1, kinds) }
      let bound = try backend.bind(
        node.op, node.inputs.map(locate), into: node.outputs.map(locate),
        scratch: places.map { view($0, Shape(1, 1, 1, $0.planeStride)) })
      steps += bound
      for output in node.outputs { ends[output.id] = steps.count }
      planned.append(
        PlannedNode(
          node, launches: bound.count,
          longestLaunch: bound.compactMap(backend.reckonedSeconds).max(),
          scratch: places.reduce(0) { $0 + $1.planeStride }))
      let cost = Double(node.op.multiplyAdds(node.inputs.map(\.shape)))
      work += bound.map { _ in cost / Double(bound.count) }
    }
    progress(kinds, kinds)
    for tensor in kept + graph.placeholders { _ = locate(tensor) }
    (self.memory, self.backend, self.nodes) = (memory, backend, planned)
    parts = PlanPart.parts(work)
    (self.steps, self.views) = (steps, views)
    self.ends = Dictionary(kept.map { ($0.id, ends[$0.id] ?? 0) }) { first, _ in first }
  }

  /// Runs every step; may return before the device is done (reading waits).
  public func run() throws { try backend.run(steps) }

  /// Runs every step, and calls `milestone` once the steps are started after which a group of kept
  /// tensors, and all groups before it, are final; with the number of the group, in their order.
  /// - Throws: the backend's error, and what `milestone` throws.
  public func run(
    until groups: [[Tensor]], _ milestone: (Int) throws -> Void
  ) throws {
    var done = 0
    for (number, group) in groups.enumerated() {
      let end = max(done, group.map { ends[$0.id] ?? steps.count }.max() ?? 0)
      try backend.run(Array(steps[done..<end]))
      done = end
      try milestone(number)
    }
    try backend.run(Array(steps[done...]))
  }

  /// Copies dense row-major `values` into a placeholder.
  public func write(_ values: [Float], to tensor: Tensor) throws {
    try backend.write(values, to: view(of: tensor))
  }

  /// The values of a kept tensor, dense and row-major, after the last run.
  public func read(_ tensor: Tensor) throws -> [Float] { try backend.read(view(of: tensor)) }

  /// Rows of a kept tensor of one image, dense: `[channels, rows, width]`.
  public func read(_ tensor: Tensor, rows: Range<Int>) throws -> [Float] {
    let view = view(of: tensor)
    return try backend.read(view.part(images: 0..<1, channels: 0..<view.shape.c, rows: rows))
  }

  /// Where a kept tensor or placeholder lies.
  public func view(of tensor: Tensor) -> TensorView<B.Storage> {
    guard let view = views[tensor.id] else {
      preconditionFailure("Plan: tensor \(tensor.id) \(tensor.shape) was not kept")
    }
    return view
  }
}
