import CLBackend
import CMicroKernels

/// One step of stochastic gradient descent with momentum, as PyTorch computes it, over contiguous
/// vectors `1 x 1 x 1 x N`: `m = μ m + (s g + λ p)`, `p −= lr m`. A momentum that starts at zero
/// gives PyTorch's first step.
///
/// Inputs: parameters `p`, gradients `g`, momentum `m`, and the vector that `hyperparameters`
/// makes. Outputs: the new `p` and `m`; each may lie on the memory of the old one.
///
/// As for AdamW, what changes from step to step is a vector, so that the launch is replayed.
package struct SGDStep: TerminalOp, CatalogOp {
  public static let name = "SGDStep"
  public static let section = "Optimizer"
  public static var cases: [OpCase] {
    optimizerCounts.map { count in
      let vector = Shape(1, 1, 1, count)
      return OpCase(
        SGDStep(), [vector, vector, vector, hyperparameterShape],
        [.symmetric, .symmetric, .symmetric, .unit])
    }
  }

  /// The shape of the last input.
  public static let hyperparameterShape = Shape.vector(4)

  /// The operator; it has no attributes.
  public init() {}

  /// The last input: learning rate, momentum μ, weight decay λ and a factor for the gradient.
  public static func hyperparameters(
    rate: Double, momentum: Double = 0, weightDecay: Double = 0, gradientScale: Double = 1
  ) -> [Float] {
    [rate, momentum, weightDecay, gradientScale].map { Float($0) }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 4 && areVectors(inputs[..<3]) && inputs[3] == Self.hyperparameterShape,
      "SGDStep: \(inputs) are not p, g, m of one length and 4 hyperparameters")
    return [inputs[0], inputs[2]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let hyper = readVector(inputs[3])
    parallelRanges(inputs[0].shape.w, grain: 65_536) { range in
      let i = range.lowerBound
      restormer_sgd_step(
        inputs[0].base + i, inputs[1].base + i, inputs[2].base + i, hyper, outputs[0].base + i,
        outputs[1].base + i, range.count)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try optimizerLaunches("sgd_step", inputs, outputs, on: backend)
  }
}

extension SGDStep: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (rate, momentum, decay, scale) = (
      inputs[3].values[0], inputs[3].values[1], inputs[3].values[2], inputs[3].values[3]
    )
    let (p, g, m) = (inputs[0].values, inputs[1].values, inputs[2].values)
    let next = p.indices.map { momentum * m[$0] + scale * g[$0] + decay * p[$0] }
    return [p.indices.map { p[$0] - rate * next[$0] }, next].map {
      ExactTensor(inputs[0].shape, $0)
    }
  }
}
