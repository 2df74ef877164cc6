import Kernels

/// A batch of aligned patches, `[n, c, h, w]` each, dense and row-major.
public struct Batch: Sendable {
  /// Shape of the degraded patches.
  public let inputShape: Shape
  /// Degraded patches.
  public let input: [Float]
  /// Clean patches, with the model's output channels.
  public let target: [Float]

  /// A batch; counts must agree with the shape and the model.
  public init(inputShape: Shape, input: [Float], target: [Float]) {
    precondition(input.count == inputShape.count, "Batch: \(input.count) for \(inputShape)")
    (self.inputShape, self.input, self.target) = (inputShape, input, target)
  }
}

/// The means over a batch that every run reports, whichever loss it minimises.
public struct BatchLosses: Sendable, Hashable {
  /// Mean absolute difference.
  public var l1: Double
  /// Mean squared difference.
  public var l2: Double
  /// The loss that is minimised.
  public var loss: Double
}

/// Memory of a training step, known before anything is allocated.
public struct TrainingMemory: Sendable {
  /// Activations, their gradients and temporary memory.
  public let activations: Int
  /// Parameters, gradients, moments and average.
  public let parameters: Int

  /// Bytes in all.
  public var total: Int { activations + parameters }
}

/// The computation of training: forward pass, loss, backward pass and optimizer step of one model on one backend.
public final class TrainingEngine<B: Backend> {
  /// The network.
  public let model: RestormerModel
  /// Where it runs.
  public let backend: B
  /// Whether blocks are computed again in the backward pass instead of kept.
  public let recompute: Bool
  private let loss: LossKind
  private let lossWeight: Double
  private let regions: ParameterRegions<B>
  private let optimizer: OptimizerPlan<B>
  private let accumulated: TensorView<B.Storage>?
  private let accumulation: Plan<B>?
  private var session: Session?
  /// Told how many programs of a new batch shape are made, and of how many.
  var compiling: (_ done: Int, _ count: Int) -> Void = { _, _ in }

  private struct Session {
    let shape: Shape
    let input: Tensor
    let target: Tensor
    let losses: [Tensor]
    let plan: Plan<B>
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
  ///   - backend: where to compute.
  /// - Throws: the backend's error when memory does not suffice.
  public init(
    _ model: RestormerModel, values: [Float], loss: LossKind, lossWeight: Double = 1,
    optimizer: OptimizerOptions, averageDecay: Double? = nil, accumulating: Bool = false,
    recompute: Bool = false, on backend: B
  ) throws {
    (self.model, self.backend, self.loss, self.recompute) = (model, backend, loss, recompute)
    self.lossWeight = lossWeight
    regions = try ParameterRegions(
      model, values: values, averaged: averageDecay != nil, on: backend)
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
      optimizer, regions, gradients: accumulated ?? regions.gradients, averageDecay: averageDecay,
      on: backend)
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

  /// What a step over batches of `shape` needs, with or without recomputation.
  public static func memory(
    _ model: RestormerModel, shape: Shape, recompute: Bool, averaged: Bool = false,
    accumulating: Bool = false, on backend: B
  ) -> TrainingMemory {
    let step = StepRecording(model, shape: shape, loss: .l1, weight: 1, recompute: recompute)
    let external = step.recording.parameters + step.gradients
    let plan = MemoryPlan(
      nodes: step.recording.graph.nodes(yielding: step.kept), kept: step.kept + step.placeholders,
      external: Set(external.map(\.id)), limit: backend.memoryLimits.allocation,
      scratch: backend.scratch)
    return TrainingMemory(
      activations: plan.bytes,
      parameters: ParameterRegions<B>.bytes(
        model, averaged: averaged, accumulating: accumulating))
  }

  /// The operators of one step over a batch of `shape`, the optimizer's own left out.
  public static func operators(
    _ model: RestormerModel, shape: Shape, recompute: Bool = false
  ) -> [Node] {
    let step = StepRecording(model, shape: shape, loss: .l1, weight: 1, recompute: recompute)
    return step.recording.graph.nodes(yielding: step.kept)
  }

  /// Computes losses and gradients of one batch. With accumulation the gradients are added to those of the
  /// batches since the last step.
  /// - Throws: the backend's error.
  public func backward(_ batch: Batch) throws -> BatchLosses {
    let session = try session(batch.inputShape)
    try session.plan.write(batch.input, to: session.input)
    try session.plan.write(batch.target, to: session.target)
    try session.plan.run()
    try accumulation?.run()
    let values = try session.losses.map { Double(try session.plan.read($0)[0]) }
    return BatchLosses(l1: values[0], l2: values[1], loss: values[2])
  }

  /// The norm of the gradient that the next step would follow, averaged over `batches`.
  /// - Throws: the backend's error.
  public func gradientNorm(batches: Int = 1) throws -> Double {
    try optimizer.gradientNorm() / Double(batches)
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
  public func step(
    _ step: Int, rate: Double, batches: Int = 1, norm: Double, clip: Double?
  ) throws {
    let clipping = clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    try optimizer.apply(step: step, rate: rate, gradientScale: clipping / Double(batches))
    try forgetGradients()
  }

  /// Drops what was accumulated: the next batch starts from zero.
  /// - Throws: the backend's error.
  public func forgetGradients() throws {
    if let accumulated { try backend.fill(accumulated, with: 0) }
  }

  /// Gives the memory of activations back; the next batch takes it again.
  public func releaseActivations() { session = nil }

  private func session(_ shape: Shape) throws -> Session {
    if let session, session.shape == shape { return session }
    // The old plan's memory goes back before the new one's is taken.
    session = nil
    let step = StepRecording(
      model, shape: shape, loss: loss, weight: lossWeight, recompute: recompute)
    var bindings = regions.parameters.bindings(for: step.recording)
    for (gradient, spec) in zip(step.gradients, model.parameters) {
      bindings[gradient] = regions.gradientView(spec)
    }
    let plan = try Plan(
      step.recording.graph, keeping: step.kept, on: backend, binding: bindings, progress: compiling)
    let made = Session(
      shape: shape, input: step.recording.input, target: step.target, losses: step.losses,
      plan: plan)
    session = made
    return made
  }
}

extension TrainingEngine {
  /// The current parameters, or a stretch of them.
  public func values(_ range: Range<Int>? = nil) throws -> [Float] {
    try read(regions.parameters.block, range)
  }

  /// The moving average of the parameters, if one is kept.
  public func averagedValues(_ range: Range<Int>? = nil) throws -> [Float]? {
    try regions.average.map { try read($0, range) }
  }

  /// The optimizer's first moment, or its momentum.
  public func firstMoment(_ range: Range<Int>? = nil) throws -> [Float] {
    try read(regions.firstMoment, range)
  }

  /// The optimizer's second moment.
  public func secondMoment(_ range: Range<Int>? = nil) throws -> [Float] {
    try read(regions.secondMoment, range)
  }

  private func read(_ block: TensorView<B.Storage>, _ range: Range<Int>?) throws -> [Float] {
    guard let range else { return try backend.read(block) }
    return try backend.read(
      TensorView(
        block.storage, offset: block.offset + range.lowerBound,
        shape: Shape(1, 1, 1, range.count)))
  }

  /// Restores what the readers above gave.
  public func restore(
    values: [Float], averaged: [Float]?, first: [Float], second: [Float]
  ) throws {
    try backend.write(values, to: regions.parameters.block)
    try backend.write(first, to: regions.firstMoment)
    try backend.write(second, to: regions.secondMoment)
    if let average = regions.average { try backend.write(averaged ?? values, to: average) }
  }
}

/// The graph of one training step.
private struct StepRecording {
  let recording: RestormerModel.Recording
  let target: Tensor
  /// L1, L2 and the loss that is minimised.
  let losses: [Tensor]
  /// In the order of the model's parameters.
  let gradients: [Tensor]

  var kept: [Tensor] { losses + gradients }
  var placeholders: [Tensor] { [recording.input, target] }

  init(
    _ model: RestormerModel, shape: Shape, loss: LossKind, weight: Double, recompute: Bool
  ) {
    recording = model.record(n: shape.n, height: shape.h, width: shape.w, recompute: recompute)
    let (graph, output) = (recording.graph, recording.output)
    target = graph.placeholder(output.shape)
    let minimised = loss.record(in: graph, output, target)
    losses = [graph.l1Loss(output, target), graph.mseLoss(output, target), minimised]
    let seed = graph.apply(Fill(Float(weight), .scalar), [])[0]
    gradients = graph.gradients(
      from: [GradientSeed(minimised, gradient: seed)], wrt: recording.parameters
    ).map { gradient in
      guard let gradient else { preconditionFailure("a parameter has no gradient") }
      return gradient
    }
  }
}
