import CLBackend
import CMicroKernels

/// Adds a gradient to an accumulator: `sum = sum + g`, vectors `1 x 1 x 1 x N`.
///
/// Inputs: `sum`, `g`. Output: the new sum; it may lie on the memory of the old one.
///
/// The sum stays in single precision: a step adds a handful of batches, each of which weighs about
/// as much as the others.
package struct Accumulate: TerminalOp, CatalogOp {
  public static let name = "Accumulate"
  public static let section = "Optimizer"
  public static var cases: [OpCase] {
    optimizerCounts.map { OpCase(Self(), [Shape(1, 1, 1, $0), Shape(1, 1, 1, $0)]) }
  }

  /// The operator; it has no attributes.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && areVectors(inputs), "Accumulate: \(inputs) are not of one length")
    return [inputs[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    axpby(1, inputs[1], 1, inputs[0], into: outputs[0])
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try optimizerLaunches("axpby", inputs.reversed(), outputs, [.float(1), .float(1)], on: backend)
  }
}

extension Accumulate: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    [ExactTensor(inputs[0].shape, zip(inputs[0].values, inputs[1].values).map { $0 + $1 })]
  }
}
