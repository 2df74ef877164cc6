extension Rewrite {
  /// The convolution's result, as large as the shuffled one, exists a band at a time.
  ///
  /// ```
  /// x -> Conv3x3 -> PixelShuffle      becomes  UpsampleConv(x)
  /// ```
  static let upsampleBands = Rewrite(
    "upsample-bands", .afterDifferentiation, "pixelShuffle(conv3x3(x)) band by band of rows"
  ) { site in
    guard site.target.takesBands, site.node.op is PixelShuffle,
      let (convolution, op) = site.inner(site.node.inputs[0], Conv3x3.self), !op.hasBias,
      !op.isTransposed
    else { return nil }
    return Replacement(absorbing: [convolution], by: UpsampleConv(), convolution.inputs)
  }
}
