/// A tensor to differentiate and the gradient that arrives at it.
public struct GradientSeed {
  /// The tensor at which the backward pass starts.
  public let tensor: Tensor
  /// The gradient of the loss at `tensor`; same shape.
  public let gradient: Tensor

  /// A seed for `tensor`; the shapes must agree.
  public init(_ tensor: Tensor, gradient: Tensor) {
    precondition(
      tensor.shape == gradient.shape,
      "gradients: seed \(gradient.shape) for a tensor \(tensor.shape)")
    (self.tensor, self.gradient) = (tensor, gradient)
  }
}

extension Graph {
  /// Records the backward pass and returns the gradient of each tensor of `wrt` (`nil`: no path to
  /// a seed).
  ///
  /// Reverse-mode differentiation over the recorded nodes. A segment marked by `checkpoint` is
  /// recorded once more, right before its gradients, so that its inner tensors live only there; the
  /// repeated nodes are the same launches on the same values, hence the same gradients bit for bit.
  public func gradients(from seeds: [GradientSeed], wrt: [Tensor]) -> [Tensor?] {
    var pass = BackwardPass(graph: self, wrt: wrt)
    for seed in seeds { pass.add(seed.gradient, to: seed.tensor) }
    pass.run()
    return wrt.map { pass.gradient[$0] }
  }
}

/// The state of one backward recording.
///
/// Nodes are taken in the reverse order of recording. A tensor's gradient is complete when the node
/// that made it comes up, since all its readers were recorded later and have had their turn.
private struct BackwardPass {
  let graph: Graph
  let forward: [Node]
  /// Tensors on some path from a requested tensor: only these need gradients.
  let active: Set<Tensor>
  var gradient: [Tensor: Tensor] = [:]
  /// Nodes of re-recorded segments, by their position in `forward`.
  private var repeated: [Int: Node] = [:]
  private var repeatedSegments: Set<Int> = []

  init(graph: Graph, wrt: [Tensor]) {
    self.graph = graph
    forward = graph.nodes
    var active = Set(wrt)
    for node in graph.nodes where node.inputs.contains(where: active.contains) {
      active.formUnion(node.outputs)
    }
    self.active = active
  }

  mutating func add(_ contribution: Tensor, to tensor: Tensor) {
    gradient[tensor] = gradient[tensor].map { graph.add($0, contribution) } ?? contribution
  }

  mutating func run() {
    for (position, node) in forward.enumerated().reversed() {
      guard node.inputs.contains(where: active.contains),
        node.outputs.contains(where: { gradient[$0] != nil })
      else { continue }
      if let segment = node.segment { record(segment: segment) }
      let evaluated = repeated[position] ?? node
      let inputGradients = evaluated.op.gradients(
        of: evaluated, node.outputs.map { gradient[$0] })
      for (input, contribution) in zip(node.inputs, inputGradients) where active.contains(input) {
        if let contribution { add(contribution, to: input) }
      }
    }
  }

  private mutating func record(segment: Int) {
    guard repeatedSegments.insert(segment).inserted else { return }
    var twin: [Tensor: Tensor] = [:]
    for (position, node) in forward.enumerated() where node.segment == segment {
      let inputs = node.inputs.map { twin[$0] ?? $0 }
      let again = graph.again(node, on: inputs)
      for (old, new) in zip(node.outputs, again.outputs) { twin[old] = new }
      repeated[position] = again
    }
  }
}
