extension Site {
  /// The product with a residual that ends a half of a block: what it multiplies, its parameters,
  /// the residual.
  var exit: (x: Tensor, parameters: [Tensor], residual: Tensor)? {
    guard target.takesBands, let op = node.op as? Conv1x1, op.hasResidual, !op.isTransposed,
      let residual = node.inputs.last
    else { return nil }
    return (node.inputs[0], Array(node.inputs[1..<node.inputs.count - 1]), residual)
  }

  /// LayerNorm and product that a half of a block begins with.
  func entrance(_ tensor: Tensor) -> (norm: Node, product: Node)? {
    guard let (product, op) = inner(tensor, Conv1x1.self), !op.hasResidual, !op.isTransposed,
      let (norm, _) = inner(product.inputs[0], LayerNorm.self)
    else { return nil }
    return (norm, product)
  }

  /// A half of a block by one operator, if the half begins where its residual does and either all
  /// of its convolutions have a bias or none.
  /// - Parameters:
  ///   - stages: LayerNorm, product and depthwise convolution.
  ///   - extra: what the operator reads behind their parameters.
  func block(
    _ stages: [Node], _ exit: (x: Tensor, parameters: [Tensor], residual: Tensor),
    absorbing others: [Node] = [], extra: [Tensor] = [],
    by op: (_ normBias: Bool, _ bias: Bool) -> any Op
  ) -> Replacement? {
    let parameters = stages.map { Array($0.inputs.dropFirst()) } + [exit.parameters]
    let counts = Set(parameters.dropFirst().map(\.count))
    guard stages[0].inputs[0] == exit.residual, counts.count == 1 else { return nil }
    return Replacement(
      absorbing: stages + others, by: op(parameters[0].count == 2, counts == [2]),
      [exit.residual] + parameters.joined() + extra)
  }
}
