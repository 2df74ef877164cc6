import CLBackend
import CMicroKernels

/// One step of AdamW, as PyTorch computes it, over contiguous vectors `1 x 1 x 1 x N`:
/// `m += (1 − β₁)(s g − m)`, `v = β₂ v + (1 − β₂)(s g)²`,
/// `p = (1 − lr λ) p − lr / (1 − β₁ᵗ) m / (√v / √(1 − β₂ᵗ) + ε)`.
///
/// Inputs: parameters `p`, gradients `g`, moments `m` and `v`, and the vector that
/// `hyperparameters` makes. Outputs: the new `p`, `m` and `v`; each may lie on the memory of the
/// old one.
///
/// What depends on the step alone is computed in double precision on the host and passed as a
/// vector, so that the launch is bound once and replayed while the rate and the step's number move.
/// All parameters are one vector: one launch updates the whole network.
package struct AdamWStep: TerminalOp, CatalogOp {
  public static let name = "AdamWStep"
  public static let section = "Optimizer"
  public static var cases: [OpCase] {
    optimizerCounts.map { count in
      let vector = Shape(1, 1, 1, count)
      return OpCase(
        AdamWStep(), [vector, vector, vector, vector, hyperparameterShape],
        [.symmetric, .symmetric, .symmetric, .unit, .positive])
    }
  }

  /// The shape of the last input.
  public static let hyperparameterShape = Shape.vector(8)

  /// The operator; it has no attributes.
  public init() {}

  /// The last input, for step `step` = 1, 2, …
  ///
  /// - Parameters:
  ///   - step: the number of this step, from 1.
  ///   - rate: the learning rate.
  ///   - beta1: the decay of the first moment.
  ///   - beta2: the decay of the second moment.
  ///   - epsilon: added to the root of the second moment.
  ///   - weightDecay: the decoupled weight decay λ.
  ///   - gradientScale: a factor for the gradient: below 1 where its norm is clipped.
  public static func hyperparameters(
    step: Int, rate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01, gradientScale: Double = 1
  ) -> [Float] {
    [
      1 - rate * weightDecay, 1 - beta1, beta2, 1 - beta2,
      rate / (1 - power(beta1, step)), (1 - power(beta2, step)).squareRoot(), epsilon,
      gradientScale,
    ].map { Float($0) }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 5 && areVectors(inputs[..<4]) && inputs[4] == Self.hyperparameterShape,
      "AdamWStep: \(inputs) are not p, g, m, v of one length and 8 hyperparameters")
    return [inputs[0], inputs[2], inputs[3]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let hyper = readVector(inputs[4])
    parallelRanges(inputs[0].shape.w, grain: 65_536) { range in
      let i = range.lowerBound
      restormer_adamw_step(
        inputs[0].base + i, inputs[1].base + i, inputs[2].base + i, inputs[3].base + i, hyper,
        outputs[0].base + i, outputs[1].base + i, outputs[2].base + i, range.count)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try optimizerLaunches("adamw_step", inputs, outputs, on: backend)
  }
}

extension AdamWStep: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (p, g, m, v) = (inputs[0].values, inputs[1].values, inputs[2].values, inputs[3].values)
    let h = inputs[4].values
    let (keep, step, epsilon, scale) = (h[0], h[4], h[6], h[7])
    let first = m.indices.map { m[$0] + h[1] * (scale * g[$0] - m[$0]) }
    let second = v.indices.map { h[2] * v[$0] + h[3] * scale * g[$0] * scale * g[$0] }
    let moved = p.indices.map {
      keep * p[$0] - step * first[$0] / (second[$0].squareRoot() / h[5] + epsilon)
    }
    return [moved, first, second].map { ExactTensor(inputs[0].shape, $0) }
  }
}

/// `base` to the power of a whole number.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, square, rest) = (1.0, base, exponent)
  while rest > 0 {
    if rest % 2 == 1 { result *= square }
    square *= square
    rest /= 2
  }
  return result
}
