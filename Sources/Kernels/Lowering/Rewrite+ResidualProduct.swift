extension Rewrite {
  /// A product adds what its results are to be added to before it stores them.
  static let residualProduct = Rewrite(
    "residual-product", .beforeDifferentiation, "W x + r in one pass"
  ) { site in
    site.sum { $0 as? Conv1x1 }
  }
}
