import Kernels

/// The computation of training: forward pass, loss, backward pass and optimizer step of one model
/// on one backend.
package final class TrainingEngine<B: Backend> {
  /// The network.
  package let model: RestormerModel
  /// Where it runs.
  package let backend: B
  /// Whether blocks are computed again in the backward pass instead of kept.
  package private(set) var recompute: Bool
  private let loss: LossKind
  private let lossWeight: Double
  private let precision: Precision
  /// The factor of the loss's gradient where activations are stored as half.
  package var lossScale = LossScale().factor
  let regions: ParameterRegions<B>
  private let optimizer: OptimizerPlan<B>
  private let accumulated: TensorView<B.Storage>?
  private let accumulation: Plan<B>?
  private var session: Session?
  let team: Team
  let slices: OptimizerSlices
  private let reduction: GradientReduction<B>?
  /// Moments of all ranks, while a state is written.
  var collected: (first: [Float], second: [Float])?
  /// Whether the ranks have begun to sum the gradients of this step.
  private(set) var isReducing = false
  /// Told how many programs of a new batch shape are made, and of how many.
  var compiling: (_ done: Int, _ count: Int) -> Void = { _, _ in }

  private struct Session {
    let shape: Shape
    let input: Tensor
    let target: Tensor
    let losses: [Tensor]
    let seed: Tensor?
    let plan: Plan<B>
    /// The gradients of each bucket that ranks sum.
    let groups: [[Tensor]]
    /// Whether the device has been seen to have the memory for it.
    var hasRun = false
  }

  /// Allocates parameters, gradients and moments; activations follow with the first batch.
  ///
  /// - Parameters:
  ///   - model: the network.
  ///   - values: its parameters.
  ///   - loss: what is minimised.
  ///   - lossWeight: its factor.
  ///   - optimizer: the rule.
  ///   - averageDecay: decay of a moving average of the weights, or nil for none.
  ///   - accumulating: whether a step sums the gradients of several batches.
  ///   - recompute: keep only the inputs of transformer blocks.
  ///   - precision: how activations and their gradients are stored.
  ///   - backend: where to compute.
  /// - Throws: the backend's error when memory does not suffice.
  package convenience init(
    _ model: RestormerModel, values: [Float], loss: LossKind, lossWeight: Double = 1,
    optimizer: OptimizerOptions, averageDecay: Double? = nil, accumulating: Bool = false,
    recompute: Bool = false, storing precision: Precision = .float, on backend: B
  ) throws {
    try self.init(
      model, values: values, loss: loss, lossWeight: lossWeight, optimizer: optimizer,
      averageDecay: averageDecay, accumulating: accumulating, recompute: recompute,
      storing: precision, team: Team(nil), sharding: false, on: backend)
  }

  /// The same, for one of several ranks.
  /// - Parameters:
  ///   - team: the ranks; all of them make an engine of their own.
  ///   - sharding: whether each rank keeps the optimizer's moments of a slice of the parameters
  ///     only.
  init(
    _ model: RestormerModel, values: [Float], loss: LossKind, lossWeight: Double,
    optimizer: OptimizerOptions, averageDecay: Double?, accumulating: Bool, recompute: Bool,
    storing precision: Precision, team: Team, sharding: Bool, on backend: B
  ) throws {
    (self.model, self.backend, self.loss, self.recompute) = (model, backend, loss, recompute)
    (self.lossWeight, self.precision, self.team) = (lossWeight, precision, team)
    slices = OptimizerSlices(extent: model.parameterExtent, count: sharding ? team.size : 1)
    reduction =
      team.size > 1
      ? GradientReduction(
        model.parameters, extent: model.parameterExtent, accumulating: accumulating, team: team,
        on: backend) : nil
    regions = try ParameterRegions(
      model, values: values, moments: slices[team.rank], averaged: averageDecay != nil,
      on: backend)
    if accumulating {
      let shape = regions.gradients.shape
      let sum = TensorView(try backend.makeStorage(count: shape.count), offset: 0, shape: shape)
      try backend.fill(sum, with: 0)
      accumulated = sum
      accumulation = try Self.accumulation(regions.gradients, into: sum, on: backend)
    } else {
      (accumulated, accumulation) = (nil, nil)
    }
    self.optimizer = try OptimizerPlan(
      optimizer, regions, gradients: accumulated ?? regions.gradients, slice: slices[team.rank],
      averageDecay: averageDecay, on: backend)
  }

  private static func accumulation(
    _ gradients: TensorView<B.Storage>, into sum: TensorView<B.Storage>, on backend: B
  ) throws -> Plan<B> {
    let graph = Graph()
    let (old, added) = (graph.placeholder(sum.shape), graph.placeholder(sum.shape))
    let new = graph.apply(Accumulate(), [old, added])[0]
    return try Plan(
      graph, keeping: [new], on: backend, binding: [old: sum, added: gradients, new: sum])
  }

  /// Computes losses and gradients of one batch. With accumulation the gradients are added to those
  /// of the batches since the last step.
  /// - Parameters:
  ///   - batch: pairs, normalised as the network wants them.
  ///   - isLast: whether the step has no more batches: only then ranks begin to sum their
  ///     gradients.
  /// - Throws: the backend's error.
  package func backward(_ batch: Batch, isLast: Bool = true) throws -> BatchLosses {
    let session = try session(batch.inputShape)
    try session.plan.write(batch.input, to: session.input)
    try session.plan.write(batch.target, to: session.target)
    if let seed = session.seed { try session.plan.write([Float(lossScale)], to: seed) }
    if isLast, let reduction {
      try run(session, reducedBy: reduction)
    } else {
      try session.plan.run()
      try accumulation?.run()
    }
    let values = try session.losses.map { Double(try session.plan.read($0)[0]) }
    return BatchLosses(l1: values[0], l2: values[1], loss: values[2])
  }

  /// Runs a batch and sums the gradients over the ranks: beside the backward pass, once it is known
  /// that the device has the memory for it. A rank that fails before may go on with less; one that
  /// has begun to sum may not begin again.
  private func run(_ session: Session, reducedBy reduction: GradientReduction<B>) throws {
    func reduce(_ bucket: Int) throws {
      isReducing = true
      try reduction.start(bucket, of: regions.gradients, accumulated)
    }
    guard session.hasRun else {
      try session.plan.run()
      try backend.synchronize()
      self.session?.hasRun = true
      return try reduction.buckets.indices.forEach(reduce)
    }
    try session.plan.run(until: session.groups, reduce)
  }

  /// Waits until the gradients are those of all ranks.
  /// - Throws: `RankError`.
  func finishGradients() throws {
    try reduction?.finish(into: accumulated ?? regions.gradients)
    isReducing = false
  }

  /// Seconds that summing over the ranks took so far, and those in which nothing else was done; nil
  /// for a rank alone.
  var reductionTimes: (all: Double, waited: Double)? {
    reduction.map { ($0.seconds, $0.waited) }
  }

  /// What makes gradients of what lies in the gradients' memory. There the loss is multiplied by
  /// its weight, or by the loss scale in place of it.
  private var gradientUnit: Double {
    precision == .half ? lossWeight / Double(lossScale) : 1
  }

  /// The norm of the gradient that the next step would follow, averaged over `batches`.
  /// - Throws: the backend's error.
  package func gradientNorm(batches: Int = 1) throws -> Double {
    try gradientUnit * optimizer.gradientNorm() / Double(batches)
  }

  /// That gradient, of one batch.
  /// - Throws: the backend's error.
  func gradient() throws -> [Float] {
    let unit = Float(gradientUnit)
    return try backend.read(accumulated ?? regions.gradients).map { unit * $0 }
  }

  /// Moves the parameters.
  ///
  /// - Parameters:
  ///   - step: the number of this step, from 1.
  ///   - rate: the learning rate.
  ///   - batches: how many batches were accumulated.
  ///   - norm: the gradient's norm.
  ///   - clip: the largest norm, or nil; PyTorch's `clip_grad_norm_`.
  /// - Throws: the backend's error.
  package func step(
    _ step: Int, rate: Double, batches: Int = 1, norm: Double, clip: Double?
  ) throws {
    let clipping = clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    try optimizer.apply(
      step: step, rate: rate, gradientScale: gradientUnit * clipping / Double(batches))
    try shareParameters()
    try optimizer.average()
    try zeroGradients()
  }

  /// Drops what was accumulated: the next batch starts from zero.
  /// - Throws: the backend's error.
  package func zeroGradients() throws {
    if let accumulated { try backend.fill(accumulated, with: 0) }
  }

  /// What a batch of `shape` does, in order of execution, and the memory that takes.
  /// - Throws: the backend's error.
  package func outline(_ shape: Shape) throws -> (nodes: [PlannedNode], memory: MemoryNeed) {
    let plan = try session(shape).plan
    return (plan.nodes, plan.memory.need)
  }

  /// Gives the memory of activations back; the next batch takes it again.
  package func releaseActivations() { session = nil }

  /// From now on blocks are computed again: the same gradients in less memory.
  /// - Throws: the backend's error.
  package func startRecomputing() throws {
    recompute = true
    releaseActivations()
    try zeroGradients()
  }

  private func session(_ shape: Shape) throws -> Session {
    if let session, session.shape == shape { return session }
    // The old plan's memory goes back before the new one's is taken.
    session = nil
    let step = try StepRecording(
      model, shape: shape, loss: loss, weight: lossWeight, recompute: recompute,
      precision: precision, traits: backend.traits)
    var bindings = try regions.parameters.bindings(for: step.recording)
    bindings.merge(
      try step.recording.bindings(step.gradients, to: model, regions.gradientView)
    ) { $1 }
    let plan = try Plan(
      step.recording.graph, keeping: step.kept, on: backend, binding: bindings, progress: compiling)
    let groups = (reduction?.buckets ?? []).map { bucket in
      step.gradients.filter { bucket.contains(bindings[$0]?.offset ?? 0) }
    }
    let made = Session(
      shape: shape, input: step.recording.input, target: step.target, losses: step.losses,
      seed: step.seed, plan: plan, groups: groups)
    session = made
    return made
  }
}
