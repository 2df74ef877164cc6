extension Rewrite {
  /// With `d = x - x_0`, `r` a pixel's inverse deviation and `W' = W diag(gamma)`:
  /// `W norm(x) = r (W' d - mean(d) W' 1) + W beta`, whose sums over channels pass by with the
  /// tiles of the product. For GPUs: on CPUs bands keep the norm in cache.
  ///
  /// ```
  /// x -> LayerNorm -> Conv1x1         becomes  NormProduct(x)
  /// ```
  static let normProduct = Rewrite(
    "norm-product", .afterDifferentiation, "W norm(x) in one pass over x"
  ) { site in
    guard site.target.purpose == .inference, !site.target.traits.isCPU,
      let product = site.node.op as? Conv1x1, !product.hasResidual, !product.isTransposed,
      let (norm, op) = site.inner(site.node.inputs[0], LayerNorm.self)
    else { return nil }
    return Replacement(
      absorbing: [norm], by: NormProduct(normBias: op.hasBias, bias: product.hasBias),
      norm.inputs + site.node.inputs.dropFirst())
  }
}
