/// An operator that computes what a few simpler ones would, one after the other.
///
/// What it stands for is written down once, as a recording: its multiply-adds, as the field counts
/// them, and its definition follow from that of the simple operators.
package protocol FusedOp: CatalogOp {
  /// Records the operators that it stands for, on its own inputs.
  func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor
}

extension FusedOp {
  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    let graph = Graph()
    return graph.multiplyAdds(yielding: [composition(graph, inputs.map(graph.placeholder))])
  }

  /// The composition, node by node.
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let graph = Graph()
    let placeholders = inputs.map { graph.placeholder($0.shape) }
    var values = Dictionary(uniqueKeysWithValues: zip(placeholders, inputs))
    let y = composition(graph, placeholders)
    for node in graph.nodes {
      guard let op = node.op as? any DefinedOp else {
        preconditionFailure("\(Self.name): \(node.op.name) has no definition")
      }
      let outputs = op.definition(node.inputs.compactMap { values[$0] })
      for (tensor, value) in zip(node.outputs, outputs) { values[tensor] = value }
    }
    return [y].compactMap { values[$0] }
  }
}
