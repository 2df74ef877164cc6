import Kernels

/// What a whole pass of a model costs.
public struct ModelTiming: Sendable {
  /// One pass.
  public let timing: Timing
  /// Multiply-adds of one pass.
  public let multiplyAdds: Int
  /// Device memory of the pass in bytes, parameters included.
  public let memory: Int
}

/// Times the inference and the training step of one model on one backend.
public struct ModelBenchmark<B: Backend> {
  private let weights: ModelWeights
  private let backend: B
  private let repeats: Int

  /// Times `weights.model` on `backend`, each pass `repeats` times.
  public init(_ weights: ModelWeights, on backend: B, repeats: Int) {
    (self.weights, self.backend, self.repeats) = (weights, backend, repeats)
  }

  /// Times the forward pass of `shape`, from pixels in the device's memory to pixels in the device's memory.
  /// - Throws: the backend's error.
  public func inference(_ shape: Shape) throws -> ModelTiming {
    let model = weights.model
    let recording = model.record(n: shape.n, height: shape.h, width: shape.w)
    recording.graph.lower(
      for: LoweringTarget(backend.traits, .inference, rules: try .inForce),
      keeping: [recording.output])
    let parameters = try DeviceParameters(model, values: weights.values, on: backend)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    try plan.write(pixels(shape, seed: 2), to: recording.input)
    let timing = try Timing.measure(repeats: repeats) {
      try plan.run()
      try backend.synchronize()
    }
    return ModelTiming(
      timing: timing, multiplyAdds: recording.graph.multiplyAdds(yielding: [recording.output]),
      memory: plan.memory.bytes + 4 * model.parameterExtent)
  }

  /// Times the training step of a batch of `shape`: forward pass, L1 loss, backward pass and AdamW.
  /// - Throws: the backend's error.
  public func training(_ shape: Shape, recompute: Bool) throws -> ModelTiming {
    let model = weights.model
    let engine = try TrainingEngine(
      model, values: weights.values, loss: .l1, optimizer: OptimizerOptions(.adamw),
      recompute: recompute, on: backend)
    let target = shape.channels(model.configuration.outputChannels)
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
    let work = try TrainingEngine.operators(model, shape: shape, on: backend).reduce(0) {
      $0 + $1.multiplyAdds
    }
    let memory = try TrainingEngine.memory(model, shape: shape, recompute: recompute, on: backend)
    return ModelTiming(timing: timing, multiplyAdds: work, memory: memory.total)
  }

  private func pixels(_ shape: Shape, seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<shape.count).map { _ in generator.nextUnit() }
  }
}
