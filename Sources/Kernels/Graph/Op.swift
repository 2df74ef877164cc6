import CLBackend

/// An operator of the graph: what it computes is defined by its CPU twin, its gradient by the graph
/// nodes it records.
///
/// A conforming type lives in `Ops/<Name>.swift`, its device code in the section of `kernels.cl`
/// with the same name, and its name in `OpCatalog`. The types themselves are the package's own;
/// networks are recorded through the methods of `Graph`.
public protocol Op: Sendable {
  /// The operator's name: file, section of `kernels.cl` and catalogue entry.
  static var name: String { get }

  /// The shapes of the outputs. Unfit inputs are a programming error: a `precondition` names
  /// operator and shapes.
  func outputShapes(_ inputs: [Shape]) -> [Shape]

  /// Records the nodes that compute the gradient of every input, given those of the outputs
  /// (`nil`: the loss does not depend on that output). `nil` for an input without a gradient.
  func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?]

  /// How outputs may share memory with inputs.
  var aliasing: Aliasing { get }

  /// Multiply-adds of one evaluation, as the field counts them: convolutions and matrix products
  /// only.
  func multiplyAdds(_ inputs: [Shape]) -> Int
}

extension Op {
  public func multiplyAdds(_ inputs: [Shape]) -> Int { 0 }

  public var aliasing: Aliasing { .none }

  /// The operator's name.
  public var name: String { Self.name }
}

/// How the outputs of an operator may share memory with its inputs.
public enum Aliasing: Sendable {
  /// Not at all.
  case none
  /// The first output may take the place of the first input.
  case inPlace
  /// The inputs may be parts of the output, one behind the other.
  case sideBySide
}

/// An operator that is never differentiated: gradient and optimizer nodes.
package protocol TerminalOp: Op {}

extension TerminalOp {
  package func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    preconditionFailure("\(Self.name): second derivatives are not defined")
  }
}

/// An operator that can add a last input to its first output, so that a sum needs no pass of its
/// own.
package protocol SummingOp: Op {
  /// The operator with one more input, as its first output, that is added to it; nil if it has one
  /// already.
  var withAddend: (any Op)? { get }
}

/// An operator whose kernels can load activations that lie in memory as half, and store them so.
package protocol HalfStoringOp: Op {
  /// Which of its inputs and outputs that may be.
  var activations: Activations { get }
  /// The largest relative error of an output that is stored as half, for inputs that are halves
  /// already.
  var halfTolerance: Double { get }
}

extension HalfStoringOp {
  /// Half a unit in the last of eleven bits: what rounding a result once costs at most. Sums that
  /// are kept as float lose nothing.
  package var halfTolerance: Double { activations.outputs.isEmpty ? 0 : 5e-4 }
}

/// An operator with temporary tensors of its own that its kernels can store as half.
package protocol HalfScratchOp: HalfStoringOp {
  /// Whether they are, where kernels can; so is the first input.
  var storesHalf: Bool { get set }
}

/// The places of an operator's activations. Those that it reads are all float or all half, those
/// that it writes likewise: a kernel is compiled for the one or the other.
package struct Activations: Sendable {
  let inputs: [Int]
  let outputs: [Int]
  /// Whether what it reads and what it writes have to be alike.
  let areAlike: Bool

  init(_ inputs: [Int] = [0], into outputs: [Int] = [0], alike: Bool = false) {
    (self.inputs, self.outputs, areAlike) = (inputs, outputs, alike)
  }
}

/// The reference twin of an operator: plain, multi-threaded Swift over planes in memory.
package protocol CPUOp: Op {
  /// Sizes, in elements, of the temporary memory that one evaluation needs.
  func cpuScratch(_ inputs: [Shape]) -> [Int]

  /// Computes every element of `outputs`; writes nothing else (the gap between planes is not its
  /// own).
  func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor])
}

extension CPUOp {
  package func cpuScratch(_ inputs: [Shape]) -> [Int] { [] }
}

/// The device form of an operator: one or more kernel launches, bound once and replayed.
package protocol OpenCLOp: Op {
  /// Sizes, in elements, of the temporary device memory that one evaluation needs.
  func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int]

  /// The launches, in order, that compute `outputs`.
  /// - Throws: `OpenCLError` when a kernel cannot be built or bound.
  func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch]
}

extension OpenCLOp {
  package func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    []
  }
}
