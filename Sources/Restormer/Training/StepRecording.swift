import Kernels

/// The graph of one training step, as a device is to run it.
struct StepRecording {
  let recording: RestormerModel.Recording
  let target: Tensor
  /// L1, L2 and the loss that is minimised.
  let losses: [Tensor]
  /// In the order of the recording's parameters.
  let gradients: [Tensor]

  var kept: [Tensor] { losses + gradients }

  init(
    _ model: RestormerModel, shape: Shape, loss: LossKind, weight: Double, recompute: Bool,
    traits: DeviceTraits
  ) throws {
    let lowering = LoweringTarget(traits, .training, rules: try .inForce)
    recording = model.record(n: shape.n, height: shape.h, width: shape.w, recompute: recompute)
    let (graph, output) = (recording.graph, recording.output)
    target = graph.placeholder(output.shape)
    let means = graph.pixelLoss(loss.kind, output, target)
    losses = [means.l1, means.mse, means.loss]
    graph.lower(for: lowering, keeping: losses, [.beforeDifferentiation])
    let seed = graph.apply(Fill(Float(weight), .scalar), [])[0]
    gradients = graph.gradients(
      from: [GradientSeed(means.loss, gradient: seed)], wrt: recording.parameters
    ).map { gradient in
      guard let gradient else { preconditionFailure("a parameter has no gradient") }
      return gradient
    }
    graph.lower(for: lowering, keeping: kept, [.afterDifferentiation])
  }
}
