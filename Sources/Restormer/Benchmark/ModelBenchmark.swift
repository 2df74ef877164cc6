import Basics
import Foundation
import Kernels

/// What a whole pass of a model costs.
package struct ModelTiming: Sendable {
  /// One pass.
  package let timing: Timing
  /// Multiply-adds of one pass.
  package let multiplyAdds: Int
  /// Device memory of the pass in bytes, parameters included.
  package let memory: Int
}

/// What a whole pass of a model does, and the memory it takes.
package struct ModelPlan: Sendable {
  /// The nodes, in order of execution.
  package let nodes: [PlannedNode]
  /// Bytes of activations and temporary memory.
  package let activations: Int
  /// Bytes of parameters and, in training, of all that has one number for each.
  package let parameters: Int

  /// Whether activations are stored as half.
  package var isHalf: Bool { nodes.contains { $0.precision == .half } }

  /// What can be said of the plan in one line.
  package var summary: String {
    let rules = nodes.rules.map { "\($0.name) \($0.nodes)" }.joined(separator: ", ")
    return "\(nodes.count) nodes, \(nodes.launches) launches, "
      + String(format: "%.1f G multiply-adds, ", 1e-9 * Double(nodes.multiplyAdds))
      + "\(gigabytes(activations)) of activations\(isHalf ? " as half" : "") and "
      + "\(gigabytes(parameters)) of parameters; "
      + (rules.isEmpty ? "no rules" : "rules: \(rules)")
  }
}

/// Times the inference and the training step of one model on one backend.
package struct ModelBenchmark<B: Backend> {
  private let weights: ModelWeights
  private let backend: B
  private let repeats: Int
  private let precision: Precision

  /// Times `weights.model` on `backend`, each pass `repeats` times.
  /// - Parameter precision: how activations are stored.
  package init(
    _ weights: ModelWeights, on backend: B, repeats: Int, storing precision: Precision = .float
  ) {
    (self.weights, self.backend, self.repeats) = (weights, backend, repeats)
    self.precision = precision
  }

  /// The forward pass of `shape` as the backend is to run it.
  private func inferencePlan(_ shape: Shape) throws -> (
    recording: RestormerModel.Recording, plan: Plan<B>
  ) {
    let recording = weights.model.inference(
      n: shape.n, height: shape.h, width: shape.w, precision: precision, on: backend.traits,
      rules: try .inForce)
    let parameters = try DeviceParameters(weights.model, values: weights.values, on: backend)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    return (recording, plan)
  }

  /// The operators of the forward pass of `shape`.
  /// - Throws: `RuleError`.
  package func inferenceOperators(_ shape: Shape) throws -> [Node] {
    try weights.model.inference(
      n: shape.n, height: shape.h, width: shape.w, on: backend.traits, rules: .inForce
    ).graph.nodes
  }

  /// The operators of a training step over a batch of `shape`, the optimizer's own left out.
  /// - Throws: `RuleError`.
  package func trainingOperators(_ shape: Shape) throws -> [Node] {
    try TrainingEngine.operators(weights.model, shape: shape, on: backend)
  }

  /// What the forward pass of `shape` does.
  /// - Throws: the backend's error; `RuleError`.
  package func inferenceOutline(_ shape: Shape) throws -> ModelPlan {
    let (_, plan) = try inferencePlan(shape)
    return ModelPlan(
      nodes: plan.nodes, activations: plan.memory.need.total, parameters: parameterNeed.total)
  }

  /// What the training step of a batch of `shape` does, the optimizer's own left out.
  /// - Throws: the backend's error; `RuleError`.
  package func trainingOutline(_ shape: Shape, recompute: Bool) throws -> ModelPlan {
    let engine = try trainingEngine(recompute: recompute)
    let (nodes, memory) = try engine.outline(shape)
    return ModelPlan(
      nodes: nodes, activations: memory.total,
      parameters: try trainingNeed(shape, recompute: recompute).total - memory.total)
  }

  private var optimizer: OptimizerOptions { OptimizerOptions(.adamw) }

  private var parameterNeed: MemoryNeed { MemoryNeed(storages: [weights.model.parameterExtent]) }

  private func trainingNeed(_ shape: Shape, recompute: Bool) throws -> MemoryNeed {
    try TrainingEngine.need(
      weights.model, shape: shape, optimizer: optimizer, recompute: recompute,
      storing: precision, on: backend)
  }

  private func trainingEngine(recompute: Bool) throws -> TrainingEngine<B> {
    try TrainingEngine(
      weights.model, values: weights.values, loss: .l1, optimizer: optimizer,
      recompute: recompute, storing: precision, on: backend)
  }

  /// Times the forward pass of `shape`, from pixels in the device's memory to pixels in the
  /// device's memory.
  /// - Throws: the backend's error.
  package func inference(_ shape: Shape) throws -> ModelTiming {
    let (recording, plan) = try inferencePlan(shape)
    try plan.write(pixels(shape, seed: 2), to: recording.input)
    let timing = try Timing.measure(repeats: repeats) {
      try plan.run()
      try backend.synchronize()
    }
    return ModelTiming(
      timing: timing, multiplyAdds: plan.nodes.multiplyAdds,
      memory: (plan.memory.need + parameterNeed).total)
  }

  /// Times the training step of a batch of `shape`: forward pass, L1 loss, backward pass and AdamW.
  /// - Throws: the backend's error.
  package func training(_ shape: Shape, recompute: Bool) throws -> ModelTiming {
    let engine = try trainingEngine(recompute: recompute)
    let target = shape.channels(weights.model.configuration.outputChannels)
    let batch = Batch(
      inputShape: shape, input: pixels(shape, seed: 2), target: pixels(target, seed: 3))
    var step = 0
    let timing = try Timing.measure(repeats: repeats) {
      step += 1
      _ = try engine.backward(batch)
      try engine.step(step, rate: 3e-4, norm: 0, clip: nil)
      try backend.synchronize()
    }
    // What is computed twice with recompute is counted once: the rate says how fast steps are.
    let work = try trainingOperators(shape).reduce(0) { $0 + $1.multiplyAdds }
    return ModelTiming(
      timing: timing, multiplyAdds: work,
      memory: try trainingNeed(shape, recompute: recompute).total)
  }

  private func pixels(_ shape: Shape, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<shape.count).map { _ in generator.nextUnit() }
  }
}
