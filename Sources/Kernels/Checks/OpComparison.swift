/// What came of running one case of an operator on a backend and on the CPU backend.
public struct OpComparison: Sendable {
  /// The largest relative error of any output; infinite where one holds what is no number.
  public let error: Double
  /// What either wrote where nothing may be, one line each.
  public let violations: [String]
  /// The largest relative error that passes.
  public let tolerance: Double

  /// Whether the outputs agree and nothing was written elsewhere.
  public var passes: Bool { violations.isEmpty && error <= tolerance }
}

extension OpCheck {
  /// Compares `check` on `backend` with the CPU backend, over random inputs determined by `seed`.
  /// - Throws: the backend's error.
  public static func compare(
    _ check: OpCase, seed: UInt64, on backend: some Backend
  ) throws -> OpComparison {
    let inputs = check.randomInputs(seed: seed)
    let expected = try evaluate(check, inputs: inputs, on: CPUBackend())
    let found = try evaluate(check, inputs: inputs, on: backend)
    return OpComparison(
      error: zip(found.outputs, expected.outputs).map(relativeError).max() ?? 0,
      violations: expected.violations.map { "CPU: \($0)" } + found.violations,
      tolerance: check.tolerance)
  }
}
