import Kernels

/// What storing activations and their gradients as half does to the gradient of a network on a
/// device.
package struct HalfGradients {
  /// The relative error of a parameter's gradient, `‖half − float‖ / ‖float‖`, that is let pass.
  package static let bound = 1e-2

  /// The largest relative error of a parameter's gradient; infinite where either is not finite, or
  /// all of it zero.
  package let error: Double

  /// Runs a training step of `weights` on `backend` over a small made-up page, once for each way of
  /// storing.
  /// - Throws: the backend's error; `RuleError`.
  package init(_ weights: ModelWeights, on backend: some Backend) throws {
    let results = try [Precision.float, .half].map { precision in
      try Self.gradient(weights, storing: precision, on: backend)
    }
    error = Self.difference(weights.model, results)
  }

  /// The largest relative error of a parameter's gradient in the second of two.
  static func difference(_ model: RestormerModel, _ gradients: [[Float]]) -> Double {
    let isSound = gradients.joined().allSatisfy(\.isFinite) && gradients[0].contains { $0 != 0 }
    let errors = model.parameters.map { parameter in
      let place = parameter.offset..<parameter.offset + parameter.count
      return OpCheck.relativeError(Array(gradients[1][place]), Array(gradients[0][place]))
    }
    return isSound ? errors.max() ?? .infinity : .infinity
  }

  static func gradient(
    _ weights: ModelWeights, storing precision: Precision, on backend: some Backend
  ) throws -> [Float] {
    let engine = try TrainingEngine(
      weights.model, values: weights.values, loss: .mse, optimizer: OptimizerOptions(),
      storing: precision, on: backend)
    let batch = batch(weights)
    var scale = LossScale()
    repeat {
      engine.lossScale = scale.factor
      _ = try engine.backward(batch)
    } while try precision == .half && !engine.gradientNorm().isFinite && scale.halve()
    return try engine.gradient()
  }

  /// A page, and how it is wanted: a little darker.
  private static func batch(_ weights: ModelWeights) -> Batch {
    let configuration = weights.model.configuration
    let shape = Shape(1, configuration.inputChannels, 48, 72)
    var input = HalfStorage.page(shape)
    var target = HalfStorage.page(shape.channels(configuration.outputChannels)).map { 0.9 * $0 }
    weights.normalization.apply(to: &input, channels: shape.c)
    weights.normalization.apply(to: &target, channels: configuration.outputChannels)
    return Batch(inputShape: shape, input: input, target: target)
  }
}
