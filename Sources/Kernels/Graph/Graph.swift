/// A value in a graph: the output of a node or a placeholder. It names memory; it owns none.
public struct Tensor: Hashable {
  /// The graph that defines the tensor.
  public let graph: Graph
  /// Its number within the graph.
  public let id: Int
  /// Its extent.
  public let shape: Shape

  /// How its elements lie in memory.
  public var precision: Precision { graph.halves.contains(id) ? .half : .float }

  public static func == (a: Tensor, b: Tensor) -> Bool { a.id == b.id && a.graph === b.graph }

  public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// One application of an operator.
public struct Node {
  /// The operator with its attributes.
  public let op: any Op
  /// What it reads.
  public let inputs: [Tensor]
  /// What it computes.
  public let outputs: [Tensor]
  /// The checkpoint segment it was recorded in, if any.
  public let segment: Int?
  /// How its outputs may share memory with its inputs.
  let aliasing: Aliasing
  /// The rewrites that made it, in order.
  public let rules: [String]

  /// Multiply-adds of one evaluation.
  public var multiplyAdds: Int { op.multiplyAdds(inputs.map(\.shape)) }

  init(
    op: any Op, inputs: [Tensor], outputs: [Tensor], segment: Int?, aliasing: Aliasing? = nil,
    rules: [String] = []
  ) {
    (self.op, self.inputs, self.outputs, self.segment) = (op, inputs, outputs, segment)
    (self.aliasing, self.rules) = (aliasing ?? op.aliasing, rules)
  }
}

/// A recording of operator applications, in order of execution.
///
/// The model's code calls operators on tensors once per input shape; a `Plan` then lays out memory,
/// binds every launch and replays it.
public final class Graph {
  /// Every node, in the order of recording, which is the order of execution.
  public private(set) var nodes: [Node] = []
  /// Placeholders: tensors whose values come from outside.
  public private(set) var placeholders: [Tensor] = []
  /// Numbers of the tensors that are stored as half.
  private(set) var halves: Set<Int> = []
  private var tensorCount = 0
  private var segmentCount = 0
  private var openSegment: Int?

  /// An empty graph.
  public init() {}

  /// A tensor whose value is written from outside before a run.
  public func placeholder(_ shape: Shape) -> Tensor {
    let tensor = makeTensor(shape)
    placeholders.append(tensor)
    return tensor
  }

  /// Records `op` on `inputs` and returns its outputs.
  package func apply(_ op: any Op, _ inputs: [Tensor]) -> [Tensor] {
    for input in inputs {
      precondition(input.graph === self, "\(op.name): an input belongs to another graph")
    }
    let outputs = op.outputShapes(inputs.map(\.shape)).map(makeTensor)
    nodes.append(Node(op: op, inputs: inputs, outputs: outputs, segment: openSegment))
    return outputs
  }

  /// Records `node` once more, on other inputs and outside of its segment.
  func again(_ node: Node, on inputs: [Tensor]) -> Node {
    let twin = Node(
      op: node.op, inputs: inputs, outputs: node.outputs.map { makeTensor($0.shape) },
      segment: nil, aliasing: node.aliasing, rules: node.rules)
    nodes.append(twin)
    return twin
  }

  /// The node that computes the first output of `old` as `new` says.
  func node(replacing old: Node, by new: Replacement, rules: [String]) -> Node {
    let shapes = new.op.outputShapes(new.inputs.map(\.shape))
    precondition(shapes[0] == old.outputs[0].shape, "\(rules): \(shapes) for \(old.op.name)")
    return Node(
      op: new.op, inputs: new.inputs,
      outputs: [old.outputs[0]] + shapes.dropFirst().map(makeTensor), segment: old.segment,
      aliasing: new.aliasing, rules: rules)
  }

  /// A node that stands where `old` stood, with outputs of its own.
  func node(_ op: any Op, _ inputs: [Tensor], like old: Node) -> Node {
    Node(
      op: op, inputs: inputs, outputs: op.outputShapes(inputs.map(\.shape)).map(makeTensor),
      segment: old.segment, rules: old.rules)
  }

  /// Takes `nodes` in place of those recorded.
  func exchange(_ nodes: [Node]) { self.nodes = nodes }

  /// Stores `tensors` as half, and no others.
  func storeAsHalf(_ tensors: Set<Tensor>) { halves = Set(tensors.map(\.id)) }

  /// Marks what `body` records as a segment whose inner tensors are not kept for the backward pass;
  /// the backward pass records the segment again. Segments do not nest: an inner one belongs to the
  /// outer.
  public func checkpoint<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard openSegment == nil else { return try body() }
    openSegment = segmentCount
    segmentCount += 1
    defer { openSegment = nil }
    return try body()
  }

  private func makeTensor(_ shape: Shape) -> Tensor {
    defer { tensorCount += 1 }
    return Tensor(graph: self, id: tensorCount, shape: shape)
  }

  /// The multiply-adds of every node that one run executes, given what it must yield.
  public func multiplyAdds(yielding kept: [Tensor]) -> Int {
    nodes(yielding: kept).reduce(0) { $0 + $1.multiplyAdds }
  }

  /// The nodes needed for `kept`, in order of execution; everything else is pruned.
  public func nodes(yielding kept: [Tensor]) -> [Node] {
    var needed = Set(kept)
    var result: [Node] = []
    for node in nodes.reversed() where node.outputs.contains(where: needed.contains) {
      result.append(node)
      needed.formUnion(node.inputs)
    }
    return result.reversed()
  }
}
