extension Rewrite {
  /// The half is row-local with a halo of one row: of its wide tensors only a few rows exist at a
  /// time.
  ///
  /// ```
  /// x -> LayerNorm -> Conv1x1 -> DepthwiseGate -> Conv1x1 -> + x
  ///      becomes  FeedForwardBlock(x)
  /// ```
  static let feedForwardBands = Rewrite(
    "feed-forward-bands", .afterDifferentiation, "x + W gate(dw(W norm(x))) band by band of rows"
  ) { site in
    guard let exit = site.exit, let (gate, _) = site.inner(exit.x, DepthwiseGate.self),
      let entrance = site.entrance(gate.inputs[0])
    else { return nil }
    return site.block([entrance.norm, entrance.product, gate], exit) {
      FeedForwardBlock(normBias: $0, bias: $1)
    }
  }
}
