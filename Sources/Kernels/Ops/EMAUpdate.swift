import CLBackend

/// The exponential moving average of the parameters: `average = d average + (1 − d) p`, vectors
/// `1 x 1 x 1 x N`.
///
/// Inputs: `average`, `p`. Output: the new average; it may lie on the memory of the old one.
///
/// One launch averages the whole network: its parameters are one vector.
package struct EMAUpdate: TerminalOp, CatalogOp {
  public static let name = "EMAUpdate"
  public static let section = "Optimizer"
  public static var cases: [OpCase] {
    optimizerCounts.map { OpCase(Self(decay: 0.9), [Shape(1, 1, 1, $0), Shape(1, 1, 1, $0)]) }
  }

  /// The weight d of the old average, in [0, 1].
  public let decay: Double

  /// The update with weight `decay` for the old average.
  public init(decay: Double) {
    precondition((0...1).contains(decay), "EMAUpdate: decay \(decay) is not in [0, 1]")
    self.decay = decay
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && areVectors(inputs), "EMAUpdate: \(inputs) are not of one length")
    return [inputs[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    axpby(Float(1 - decay), inputs[1], Float(decay), inputs[0], into: outputs[0])
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try optimizerLaunches(
      "axpby", inputs.reversed(), outputs, [.float(Float(1 - decay)), .float(Float(decay))],
      on: backend)
  }
}

extension EMAUpdate: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let values = zip(inputs[0].values, inputs[1].values).map { decay * $0 + (1 - decay) * $1 }
    return [ExactTensor(inputs[0].shape, values)]
  }
}
