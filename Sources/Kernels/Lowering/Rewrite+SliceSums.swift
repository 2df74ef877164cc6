extension Rewrite {
  /// Weight gradients are sums over pixels, cut into slices for many groups of a GPU to share;
  /// adding the slices up is a short launch for each. Left as they are, the slices of several
  /// gradients are added up by one.
  ///
  /// ```
  /// Conv1x1BackwardWeight  (x 8)      becomes  Conv1x1BackwardWeight(slices)  (x 8)
  ///                                            SliceSums
  /// ```
  static let sliceSums = Rewrite(
    "slice-sums", .afterDifferentiation, "sums over slices of several gradients in one launch"
  ) { nodes, target, graph in
    guard target.purpose == .training, !target.traits.isCPU else { return nodes }
    var pending = PendingSums(graph: graph, traits: target.traits)
    let split = nodes.flatMap { pending.take($0) }
    return split + pending.flush()
  }
}

/// Slices that wait to be added up.
private struct PendingSums {
  /// Memory that may wait: more would be felt beside the activations.
  private static let most = 1 << 22

  let graph: Graph
  let traits: DeviceTraits
  private var partials: [Tensor] = []
  private var sums: [Tensor] = []

  init(graph: Graph, traits: DeviceTraits) { (self.graph, self.traits) = (graph, traits) }

  /// What runs in place of `node`.
  mutating func take(_ node: Node) -> [Node] {
    // A sum that is read has to be there.
    let due = node.inputs.contains(where: sums.contains) ? flush() : []
    guard
      let op = (node.op as? Conv1x1BackwardWeight)?
        .leavingSlices(node.inputs.map(\.shape), on: traits)
    else { return due + [node] }
    let made = graph.node(op, node.inputs, like: node)
    partials.append(made.outputs[0])
    sums.append(node.outputs[0])
    let isFull =
      sums.count == SliceSums.limit
      || partials.reduce(0) { $0 + $1.shape.count } > Self.most
    return due + [made] + (isFull ? flush() : [])
  }

  /// The sum of all that waits.
  mutating func flush() -> [Node] {
    guard !sums.isEmpty else { return [] }
    defer { (partials, sums) = ([], []) }
    return [
      Node(
        op: SliceSums(sums.map(\.shape)), inputs: partials, outputs: sums, segment: nil,
        rules: [Rewrite.sliceSums.name])
    ]
  }
}
