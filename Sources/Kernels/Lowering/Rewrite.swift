/// An identity by which a few nodes of a graph may be exchanged for one that computes the same in
/// another way.
///
/// A rule asks what the device is like and what the graph is wanted for, never for names. It
/// changes time and memory, results only by rounding.
public struct Rewrite: Sendable {
  /// When a rule is tried.
  public enum Stage: CaseIterable, Sendable {
    /// Its form has a gradient of its own.
    case beforeDifferentiation
    /// Its form has none, or exchanges what differentiation recorded.
    case afterDifferentiation
  }

  /// The name by which `RESTORMER_RULES` switches it off and plans mention it.
  public let name: String
  /// The identity it rests on.
  public let identity: String
  /// When it is tried.
  public let stage: Stage
  let form: Form

  /// How a rule finds what it exchanges.
  enum Form: Sendable {
    /// Node by node: what takes the place of a node and of some before it.
    case local(@Sendable (Site) -> Replacement?)
    /// Over all nodes: those that run instead.
    case global(@Sendable ([Node], LoweringTarget, Graph) -> [Node])
  }

  init(
    _ name: String, _ stage: Stage, _ identity: String,
    match: @escaping @Sendable (Site) -> Replacement?
  ) {
    (self.name, self.stage, self.identity, form) = (name, stage, identity, .local(match))
  }

  init(
    _ name: String, _ stage: Stage, _ identity: String,
    exchange: @escaping @Sendable ([Node], LoweringTarget, Graph) -> [Node]
  ) {
    (self.name, self.stage, self.identity, form) = (name, stage, identity, .global(exchange))
  }

  /// Every rule, in the order in which they are tried. A later one sees what the earlier ones made.
  public static let all: [Rewrite] = [
    .residualProduct,
    .depthwiseGate,
    .attentionBands,
    .feedForwardBands,
    .upsampleBands,
    .normProduct,
    .gradientSum,
    .sliceSums,
    .concatViews,
  ]
}

/// What takes the place of a node and of those before it whose results only it reads.
struct Replacement {
  /// The nodes before it that go with it.
  let absorbed: [Node]
  /// What computes its outputs instead.
  let op: any Op
  /// What that reads.
  let inputs: [Tensor]
  /// How its outputs may share memory with its inputs.
  let aliasing: Aliasing

  init(
    absorbing absorbed: [Node] = [], by op: any Op, _ inputs: [Tensor], aliasing: Aliasing? = nil
  ) {
    (self.absorbed, self.op, self.inputs) = (absorbed, op, inputs)
    self.aliasing = aliasing ?? op.aliasing
  }
}

/// A node as a rule looks at it: with what computes its inputs, and who else reads them.
struct Site {
  /// The node.
  let node: Node
  /// What the graph is wanted for.
  let target: LoweringTarget
  fileprivate let recording: Recording

  /// The node that computes `tensor`, if it may be absorbed: nothing of it is kept or read by
  /// another node, and it belongs to the same checkpoint segment.
  func inner(_ tensor: Tensor) -> Node? {
    guard let inner = recording.producer(of: tensor), inner.segment == node.segment,
      recording.isPrivate(tensor, of: inner)
    else { return nil }
    return inner
  }

  /// The same, if its operator is one of type `O`.
  func inner<O: Op>(_ tensor: Tensor, _: O.Type) -> (node: Node, op: O)? {
    inner(tensor).flatMap { node in (node.op as? O).map { (node, $0) } }
  }
}

extension Graph {
  /// Rewrites the recording for a device and a purpose, where it stands: tensors that `kept` names
  /// and placeholders stay what they are, nodes that do not contribute go.
  /// - Parameters:
  ///   - target: the device and the purpose.
  ///   - kept: the tensors whose values will be asked for.
  ///   - stages: the rules to try; before a graph is differentiated only the first kind may be.
  public func lower(
    for target: LoweringTarget, keeping kept: [Tensor],
    _ stages: [Rewrite.Stage] = Rewrite.Stage.allCases
  ) {
    exchange(nodes(yielding: kept))
    for rule in Rewrite.all where stages.contains(rule.stage) && target.rules.contains(rule.name) {
      switch rule.form {
      case .local(let match): exchange(rule.name, match, for: target, keeping: kept)
      case .global(let form): exchange(form(nodes, target, self))
      }
    }
    if target.storesHalf { storeHalf(keeping: kept) }
  }

  private func exchange(
    _ rule: String, _ match: (Site) -> Replacement?, for target: LoweringTarget,
    keeping kept: [Tensor]
  ) {
    var recording = Recording(nodes, kept: kept)
    for position in recording.nodes.indices {
      guard let node = recording.nodes[position],
        let found = match(Site(node: node, target: target, recording: recording))
      else { continue }
      recording.exchange(position, for: found, rule: rule, in: self)
    }
    exchange(recording.nodes.compactMap { $0 })
  }
}

/// Nodes in order of execution, with who computes and who reads each tensor.
private struct Recording {
  private(set) var nodes: [Node?]
  private var producers: [Int: Int] = [:]
  private var readers: [Int: Int] = [:]

  init(_ nodes: [Node], kept: [Tensor]) {
    self.nodes = nodes
    for tensor in kept { readers[tensor.id, default: 0] += 1 }
    for (position, node) in nodes.enumerated() { enter(node, at: position) }
  }

  func producer(of tensor: Tensor) -> Node? { producers[tensor.id].flatMap { nodes[$0] } }

  /// Whether of `node` only `tensor` is read, and that once.
  func isPrivate(_ tensor: Tensor, of node: Node) -> Bool {
    node.outputs.allSatisfy { readers[$0.id, default: 0] == ($0 == tensor ? 1 : 0) }
  }

  private mutating func enter(_ node: Node, at position: Int) {
    for input in node.inputs { readers[input.id, default: 0] += 1 }
    for output in node.outputs { producers[output.id] = position }
  }

  private mutating func remove(_ node: Node) {
    for input in node.inputs { readers[input.id, default: 0] -= 1 }
    guard let position = producers[node.outputs[0].id] else { return }
    for output in node.outputs { producers[output.id] = nil }
    nodes[position] = nil
  }

  /// Puts the replacement where the node was: all that it reads is computed by then. It takes over
  /// the first output; the others must have no reader.
  mutating func exchange(_ position: Int, for new: Replacement, rule: String, in graph: Graph) {
    guard let old = nodes[position] else { return }
    precondition(
      old.outputs.dropFirst().allSatisfy { readers[$0.id, default: 0] == 0 },
      "\(rule): \(old.op.name) has readers of more than its first output")
    for node in new.absorbed + [old] { remove(node) }
    let made = graph.node(
      replacing: old, by: new, rules: (new.absorbed + [old]).flatMap(\.rules) + [rule])
    nodes[position] = made
    enter(made, at: position)
  }
}
