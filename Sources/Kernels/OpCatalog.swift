/// Every operator: one list that drives the agreement tests, the gradient checks, `doctor` and `bench`.
public enum OpCatalog {
  /// The operators, in the order of `kernels.cl`.
  public static let operators: [any CatalogOp.Type] = [
    Add.self
  ]

  /// Every case of every operator.
  public static var cases: [OpCase] { operators.flatMap { $0.cases } }
}
