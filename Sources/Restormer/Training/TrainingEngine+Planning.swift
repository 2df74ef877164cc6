import Kernels

/// What training takes, before any of it is made.
extension TrainingEngine {
  /// What training in batches of `shape` allocates, with or without recomputation, where
  /// activations are stored as `precision` says and the optimizer's moments are shared out over so
  /// many ranks as there are `slices`.
  /// - Throws: `RuleError`.
  package static func need(
    _ model: RestormerModel, shape: Shape, optimizer: OptimizerOptions, recompute: Bool,
    storing precision: Precision = .float, averaged: Bool = false, accumulating: Bool = false,
    slices: Int = 1, on backend: B
  ) throws -> MemoryNeed {
    let step = try StepRecording(
      model, shape: shape, loss: .l1, weight: 1, recompute: recompute, precision: precision,
      traits: backend.traits)
    let external = step.recording.parameters + step.gradients
    return MemoryPlan(
      step.recording.graph, keeping: step.kept, external: external, on: backend
    ).need
      + ParameterRegions<B>.need(
        model, averaged: averaged, accumulating: accumulating, slices: slices)
      + OptimizerPlan.need(optimizer, model, on: backend)
  }

  /// The operators of one step over a batch of `shape`, the optimizer's own left out.
  /// - Throws: `RuleError`.
  package static func operators(
    _ model: RestormerModel, shape: Shape, recompute: Bool = false, on backend: B
  ) throws -> [Node] {
    try StepRecording(
      model, shape: shape, loss: .l1, weight: 1, recompute: recompute, precision: .float,
      traits: backend.traits
    ).recording.graph.nodes
  }
}
