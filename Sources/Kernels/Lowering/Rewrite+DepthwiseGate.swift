extension Rewrite {
  /// The widest tensor of a block, the convolution's result, is neither stored nor kept for the
  /// backward pass.
  ///
  /// ```
  /// x -> DepthwiseConv -> GELUGate    becomes  DepthwiseGate(x)
  /// ```
  ///
  /// Its form has a gradient of its own, so that training takes it too.
  static let depthwiseGate = Rewrite(
    "depthwise-gate", .beforeDifferentiation, "gelu(a) b with [a, b] = dw(x) in one sweep over x"
  ) { site in
    guard site.node.op is GELUGate,
      let (convolution, _) = site.inner(site.node.inputs[0], DepthwiseConv.self)
    else { return nil }
    return Replacement(absorbing: [convolution], by: DepthwiseGate(), convolution.inputs)
  }
}
