import ArgumentParser

extension Option where Value == Int {
  /// An option that is a whole number within bounds. A number with a minus sign is its value, not
  /// the next option.
  init(
    wrappedValue: Int, name: NameSpecification = .long, within bounds: ClosedRange<Int>,
    help: String
  ) {
    self.init(
      wrappedValue: wrappedValue, name: name, parsing: .unconditional,
      help: ArgumentHelp(stringLiteral: "\(help) (default: \(wrappedValue))"),
      transform: whole(bounds))
  }
}

extension Option where Value == Int? {
  /// The same for a number that need not be given.
  init(name: NameSpecification = .long, within bounds: ClosedRange<Int>, help: String) {
    self.init(
      name: name, parsing: .unconditional, help: ArgumentHelp(stringLiteral: help),
      transform: whole(bounds))
  }
}

/// Reads an option that is a whole number within bounds.
private func whole(_ bounds: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
  number(bounds, "a whole number") { Int($0) }
}

/// Reads an option that is a number within bounds.
func number(_ bounds: ClosedRange<Double>) -> @Sendable (String) throws -> Double {
  number(bounds, "a number") { Double($0) }
}

private func number<Number: Sendable & LosslessStringConvertible>(
  _ bounds: ClosedRange<Number>, _ kind: String,
  _ parse: @escaping @Sendable (String) -> Number?
) -> @Sendable (String) throws -> Number {
  { text in
    guard let number = parse(text), bounds.contains(number) else {
      let (low, high) = (shown(bounds.lowerBound), shown(bounds.upperBound))
      throw ValidationError("expected \(kind) from \(low) to \(high)")
    }
    return number
  }
}

/// A bound without a needless `.0`.
private func shown(_ bound: some LosslessStringConvertible) -> String {
  let text = String(bound)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
