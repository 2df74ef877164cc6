import Kernels

/// One optimizer step over all parameters at once, in place.
final class OptimizerPlan<B: Backend> {
  private let options: OptimizerOptions
  /// The update and its hyperparameters; nil where a rank has no parameters to move.
  private let update: (plan: Plan<B>, hyperparameters: Tensor)?
  private let norm: Plan<B>
  private let squares: Tensor
  private let averaging: Plan<B>?

  /// - Parameters:
  ///   - gradients: what the step follows.
  ///   - slice: the parameters that are moved, those whose moments there are.
  ///   - averageDecay: the decay of the moving average of the weights, if one is kept.
  init(
    _ options: OptimizerOptions, _ regions: ParameterRegions<B>,
    gradients: TensorView<B.Storage>, slice: Range<Int>, averageDecay: Double?, on backend: B
  ) throws {
    self.options = options
    update =
      slice.isEmpty
      ? nil : try Self.update(options, regions, gradients: gradients, slice, on: backend)
    let (normGraph, vector, squares) = Self.recordNorm(shape: gradients.shape)
    self.squares = squares
    norm = try Plan(normGraph, keeping: [squares], on: backend, binding: [vector: gradients])
    averaging = try averageDecay.flatMap { decay in
      try regions.average.map { try Self.averaging(decay, $0, regions, on: backend) }
    }
  }

  private static func update(
    _ options: OptimizerOptions, _ regions: ParameterRegions<B>,
    gradients: TensorView<B.Storage>, _ slice: Range<Int>, on backend: B
  ) throws -> (plan: Plan<B>, hyperparameters: Tensor) {
    let places = [
      regions.parameters.block.part(slice), gradients.part(slice), regions.firstMoment,
      regions.secondMoment,
    ]
    let (graph, inputs, hyperparameters, outputs) = record(options, shape: places[0].shape)
    var bindings = Dictionary(uniqueKeysWithValues: zip(inputs, places))
    // The new values take the place of the old; outputs skip the gradient.
    let targets = [places[0], places[2], places[3]]
    for (output, place) in zip(outputs, targets) { bindings[output] = place }
    let plan = try Plan(graph, keeping: outputs, on: backend, binding: bindings)
    return (plan, hyperparameters)
  }

  private static func record(
    _ options: OptimizerOptions, shape: Shape
  ) -> (graph: Graph, inputs: [Tensor], hyperparameters: Tensor, outputs: [Tensor]) {
    let graph = Graph()
    switch options.kind {
    case .adamw:
      let inputs = (0..<4).map { _ in graph.placeholder(shape) }
      let numbers = graph.placeholder(AdamWStep.hyperparameterShape)
      return (graph, inputs, numbers, graph.apply(AdamWStep(), inputs + [numbers]))
    case .sgd:
      let inputs = (0..<3).map { _ in graph.placeholder(shape) }
      let numbers = graph.placeholder(SGDStep.hyperparameterShape)
      return (graph, inputs, numbers, graph.apply(SGDStep(), inputs + [numbers]))
    }
  }

  private static func recordNorm(
    shape: Shape
  ) -> (graph: Graph, vector: Tensor, squares: Tensor) {
    let graph = Graph()
    let vector = graph.placeholder(shape)
    return (graph, vector, graph.apply(SumOfSquares(), [vector])[0])
  }

  /// What the plans take beside the regions; an average and a sum of gradients need nothing of
  /// their own.
  static func need(
    _ options: OptimizerOptions, _ model: RestormerModel, on backend: B
  ) -> MemoryNeed {
    let shape = Shape(1, 1, 1, model.parameterExtent)
    let (graph, inputs, _, outputs) = record(options, shape: shape)
    let (normGraph, vector, squares) = recordNorm(shape: shape)
    return MemoryPlan(graph, keeping: outputs, external: inputs + outputs, on: backend).need
      + MemoryPlan(normGraph, keeping: [squares], external: [vector], on: backend).need
  }

  private static func averaging(
    _ decay: Double, _ average: TensorView<B.Storage>, _ regions: ParameterRegions<B>,
    on backend: B
  ) throws -> Plan<B> {
    let graph = Graph()
    let (old, values) = (graph.placeholder(average.shape), graph.placeholder(average.shape))
    let new = graph.apply(EMAUpdate(decay: decay), [old, values])[0]
    return try Plan(
      graph, keeping: [new], on: backend,
      binding: [old: average, values: regions.parameters.block, new: average])
  }

  /// The gradient's L2 norm; not finite if any element is not.
  func gradientNorm() throws -> Double {
    try norm.run()
    return Double(try norm.read(squares)[0]).squareRoot()
  }

  /// Moves the parameters along the gradient times `gradientScale`.
  /// - Parameter step: the number of this step, from 1.
  func apply(step: Int, rate: Double, gradientScale: Double) throws {
    let numbers =
      switch options.kind {
      case .adamw:
        AdamWStep.hyperparameters(
          step: step, rate: rate, beta1: options.beta1, beta2: options.beta2,
          epsilon: options.epsilon, weightDecay: options.weightDecay, gradientScale: gradientScale)
      case .sgd:
        SGDStep.hyperparameters(
          rate: rate, momentum: options.momentum, weightDecay: options.weightDecay,
          gradientScale: gradientScale)
      }
    guard let update else { return }
    try update.plan.write(numbers, to: update.hyperparameters)
    try update.plan.run()
  }

  /// Brings the moving average of the weights up to date, where one is kept.
  func average() throws { try averaging?.run() }
}
