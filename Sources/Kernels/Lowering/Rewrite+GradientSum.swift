extension Rewrite {
  /// A sum of gradients takes no pass of its own where an operator that computes one of them can
  /// add the other.
  ///
  /// ```
  /// g + LayerNormBackwardInput(..)    becomes  LayerNormBackwardInput(.., g)
  /// ```
  ///
  /// Differentiation records a sum wherever a tensor was used twice, as around every residual.
  static let gradientSum = Rewrite(
    "gradient-sum", .afterDifferentiation, "g + op(x) in one pass of op"
  ) { site in
    site.target.purpose == .training ? site.sum { $0 as? any SummingOp } : nil
  }
}

extension Site {
  /// A sum by the operator of one of its terms, the last recorded first, where `summing` says that
  /// it can add.
  func sum(_ summing: (any Op) -> (any SummingOp)?) -> Replacement? {
    guard node.op is Add else { return nil }
    for (term, other) in [(node.inputs[1], node.inputs[0]), (node.inputs[0], node.inputs[1])] {
      guard let inner = inner(term), let op = summing(inner.op)?.withAddend else { continue }
      return Replacement(absorbing: [inner], by: op, inner.inputs + [other])
    }
    return nil
  }
}
