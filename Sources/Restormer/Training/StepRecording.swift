import Kernels

/// The graph of one training step, as a device is to run it.
struct StepRecording {
  let recording: RestormerModel.Recording
  let target: Tensor
  /// L1, L2 and the loss that is minimised.
  let losses: [Tensor]
  /// What the gradients are to be multiplied by, one number that is written before each run; nil
  /// where that is the weight of the loss.
  let seed: Tensor?
  /// In the order of the recording's parameters.
  let gradients: [Tensor]

  var kept: [Tensor] { losses + gradients }

  /// Records the step over a batch of `shape`.
  /// - Parameters:
  ///   - weight: the factor of the loss, where activations are stored as float.
  ///   - precision: how activations and their gradients are stored; as half they come with a seed.
  /// - Throws: `RuleError`.
  init(
    _ model: RestormerModel, shape: Shape, loss: LossKind, weight: Double, recompute: Bool,
    precision: Precision, traits: DeviceTraits
  ) throws {
    let lowering = LoweringTarget(
      traits, .training, precision: precision, rules: try .inForce)
    recording = model.record(n: shape.n, height: shape.h, width: shape.w, recompute: recompute)
    let (graph, output) = (recording.graph, recording.output)
    target = graph.placeholder(output.shape)
    let means = graph.pixelLoss(loss.kind, output, target)
    losses = [means.l1, means.mse, means.loss]
    graph.lower(for: lowering, keeping: losses, [.beforeDifferentiation])
    seed = precision == .half ? graph.placeholder(.scalar) : nil
    let start = seed ?? graph.fill(Float(weight), .scalar)
    gradients = graph.gradients(
      from: [GradientSeed(means.loss, gradient: start)], wrt: recording.parameters
    ).map { gradient in
      guard let gradient else { preconditionFailure("a parameter has no gradient") }
      return gradient
    }
    graph.lower(for: lowering, keeping: kept, [.afterDifferentiation])
  }
}
