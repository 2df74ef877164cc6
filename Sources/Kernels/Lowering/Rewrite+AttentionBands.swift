extension Rewrite {
  /// Every operator of the half but the sums over pixels is row-local with a halo of one, and the
  /// sums add up band by band: only a few rows of q and k exist at a time, and of v if it is
  /// computed twice.
  ///
  /// ```
  /// x -> LayerNorm -> Conv1x1 -> DepthwiseConv -> ChannelAttention -> Conv1x1 -> + x
  ///      becomes  AttentionBlock(x)
  /// ```
  ///
  /// So is `LocalAttention`, whose sums are those of the cells between the edges of windows.
  static let attentionBands = Rewrite(
    "attention-bands", .afterDifferentiation,
    "x + W attention(dw(W norm(x))) band by band of rows"
  ) { site in
    guard let exit = site.exit, let (attention, heads, window) = site.attention(exit.x),
      let (convolution, _) = site.inner(attention.inputs[0], DepthwiseConv.self),
      let entrance = site.entrance(convolution.inputs[0]),
      attention.outputs[0].shape == exit.residual.shape
    else { return nil }
    return site.block(
      [entrance.norm, entrance.product, convolution], exit, absorbing: [attention],
      extra: [attention.inputs[1]]
    ) {
      AttentionBlock(
        heads: heads, normBias: $0, bias: $1,
        keepsValues: site.target.keepsValues(exit.residual.shape),
        mostSlices: PixelProducts.mostSlices(on: site.target.traits), window: window)
    }
  }
}

extension Site {
  /// The attention that computes `tensor`: its heads, and its windows if it has any.
  fileprivate func attention(_ tensor: Tensor) -> (node: Node, heads: Int, window: Shape?)? {
    if let (node, op) = inner(tensor, LocalAttention.self) { return (node, op.heads, op.window) }
    return inner(tensor, ChannelAttention.self).map { ($0.node, $0.op.heads, nil) }
  }
}
