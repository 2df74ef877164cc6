extension Rewrite {
  /// A product adds what its results are to be added to before it stores them.
  ///
  /// ```
  /// Conv1x1(x) -> + r                 becomes  Conv1x1(x, r)
  /// ```
  ///
  /// Its gradients are those of the product, and `gy` for the residual.
  static let residualProduct = Rewrite(
    "residual-product", .beforeDifferentiation, "W x + r in one pass"
  ) { site in
    site.sum { $0 as? Conv1x1 }
  }
}
