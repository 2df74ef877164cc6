import ArgumentParser

/// Reads an option that is a whole number within bounds.
func whole(_ bounds: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
  number(bounds, "a whole number") { Int($0) }
}

/// Reads an option that is a number within bounds.
func number(_ bounds: ClosedRange<Double>) -> @Sendable (String) throws -> Double {
  number(bounds, "a number") { Double($0) }
}

private func number<Number: Sendable>(
  _ bounds: ClosedRange<Number>, _ kind: String,
  _ parse: @escaping @Sendable (String) -> Number?
) -> @Sendable (String) throws -> Number {
  { text in
    guard let number = parse(text), bounds.contains(number) else {
      throw ValidationError("expected \(kind) from \(bounds.lowerBound) to \(bounds.upperBound)")
    }
    return number
  }
}
