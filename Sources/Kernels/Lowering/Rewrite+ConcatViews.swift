extension Rewrite {
  /// Tensors that are joined are computed side by side from the start, where the memory plan can
  /// see to it: planes of one image lie evenly spaced.
  ///
  /// ```
  /// a -> |                            a, b are the first and the last channels of y:
  /// b -> | Concat -> y                Concat has nothing to do
  /// ```
  static let concatViews = Rewrite(
    "concat-views", .afterDifferentiation, "[a, b] without a copy: a and b are parts of one tensor"
  ) { site in
    guard site.node.op is Concat, site.node.outputs[0].shape.n == 1 else { return nil }
    return Replacement(by: Concat(), site.node.inputs, aliasing: .sideBySide)
  }
}
