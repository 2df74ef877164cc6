/// What came of running one case of an operator on a backend and on the CPU backend.
package struct OpComparison: Sendable {
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
  /// - Parameter precision: how `backend` stores the operator's activations; those that it reads
  ///   are rounded beforehand for both.
  /// - Throws: the backend's error.
  public static func compare(
    _ check: OpCase, seed: UInt64, storing precision: Precision = .float, on backend: some Backend
  ) throws -> OpComparison {
    let halves = precision == .half ? check.op as? any HalfStoringOp : nil
    let inputs = check.randomInputs(seed: seed).enumerated().map { index, values in
      (halves?.activations.inputs.contains(index) ?? false)
        ? values.map { Float(Float16($0)) } : values
    }
    let expected = try evaluate(check, inputs: inputs, on: CPUBackend())
    let found = try evaluate(check, inputs: inputs, storing: precision, on: backend)
    return OpComparison(
      error: zip(found.outputs, expected.outputs).map(relativeError).max() ?? 0,
      violations: expected.violations.map { "CPU: \($0)" } + found.violations,
      tolerance: check.tolerance(storing: precision))
  }
}
