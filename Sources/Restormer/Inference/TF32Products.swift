import Kernels

/// What products in TF32 do to the results of a network and to its gradient, on a device.
package struct TF32Products {
  /// The root mean square of the difference to results with float's products; infinite where
  /// either is not finite. What half storage may do is let pass here, too: `HalfStorage.bound`.
  package let results: Double
  /// The largest relative error of a parameter's gradient, with `HalfGradients.bound`.
  package let gradients: Double

  /// Runs the network of `weights` and a training step of it twice each over a small made-up page.
  /// - Parameters:
  ///   - backend: products of float's precision.
  ///   - other: the same device with products in TF32.
  /// - Throws: the backend's error; `RuleError`.
  package init<B: Backend>(_ weights: ModelWeights, on backend: B, and other: B) throws {
    let parameters = try DeviceParameters(weights.model, values: weights.values, on: backend)
    let pages = try [backend, other].map {
      try HalfStorage.run(parameters, weights.normalization, storing: .float, on: $0)
    }
    results = HalfStorage.difference(pages[0], pages[1])
    gradients = try HalfGradients.difference(
      weights.model,
      [backend, other].map { try HalfGradients.gradient(weights, storing: .float, on: $0) })
  }
}
