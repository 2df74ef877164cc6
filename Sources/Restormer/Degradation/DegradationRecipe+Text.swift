/// The text form, as command lines and options files have it: a name, then what differs from that
/// recipe, for instance `document defocus=1.2-2.6 motion=3-8@0.5 rain=off sharp=0.1`.
extension DegradationRecipe: CustomStringConvertible {
  /// Reads the text form.
  /// - Throws: `DataError` naming the word that is wrong and what was expected.
  public init(_ text: String) throws {
    let words = text.split(separator: " ")
    guard let name = words.first, let recipe = Self.named.first(where: { $0.base == name }) else {
      let known = Self.named.map(\.base).joined(separator: " or ")
      throw DataError("recipe '\(text)', expected \(known)")
    }
    self = recipe
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else {
        throw DataError("recipe '\(text)': '\(word)', expected NAME=RANGE such as defocus=1-2")
      }
      let (key, value) = (String(parts[0]), String(parts[1]))
      if key == "sharp" {
        try setSharp(value)
      } else if let kind = DegradationKind(rawValue: key) {
        try set(kind, value)
      } else {
        let known = DegradationKind.allCases.map(\.rawValue).joined(separator: ", ")
        throw DataError("recipe '\(text)': '\(key)', expected \(known) or sharp")
      }
    }
  }

  /// Sets one kind from `LOW-HIGH`, a single number, either with `@PROBABILITY` behind it, or
  /// `off`. Without a probability the one of the recipe stays; a kind that the recipe lacks then
  /// always happens.
  /// - Throws: `DataError` naming the kind, the text and what was expected.
  public mutating func set(_ kind: DegradationKind, _ text: String) throws {
    if text == "off" {
      steps[kind] = nil
      return
    }
    func fault(_ expected: String) -> DataError {
      DataError("\(kind.rawValue) '\(text)', expected \(expected)")
    }
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    guard let (low, high) = Self.bounds(parts[0]) else {
      throw fault("LOW-HIGH, one number, either with @PROBABILITY, or off")
    }
    guard low <= high else { throw fault("a range from low to high") }
    guard kind.limits.contains(low), kind.limits.contains(high) else {
      throw fault(
        "values from \(Self.text(kind.limits.lowerBound)) to \(Self.text(kind.limits.upperBound))")
    }
    var probability = steps[kind]?.probability ?? 1
    if parts.count == 2 {
      guard let given = Double(parts[1]), (0...1).contains(given) else {
        throw fault("a probability from 0 to 1 after the @")
      }
      probability = given
    }
    steps[kind] = Step(low...high, probability)
  }

  /// Sets the share of images that stay sharp.
  /// - Throws: `DataError` when it is no number from 0 to 1.
  public mutating func setSharp(_ text: String) throws {
    guard let share = Double(text), (0...1).contains(share) else {
      throw DataError("sharp '\(text)', expected a share from 0 to 1")
    }
    sharp = share
  }

  /// The text that `init(_:)` reads back to the same recipe.
  public var description: String {
    let origin = Self.named.first { $0.base == base } ?? .none
    var words = [base]
    for kind in DegradationKind.allCases where steps[kind] != origin.steps[kind] {
      words.append("\(kind.rawValue)=\(steps[kind].map(Self.text) ?? "off")")
    }
    if sharp != origin.sharp { words.append("sharp=\(Self.text(sharp))") }
    return words.joined(separator: " ")
  }

  /// Two numbers with a hyphen between them, or one for both; the hyphen of an exponent is none
  /// between numbers.
  private static func bounds(_ text: Substring) -> (Double, Double)? {
    func number(_ text: Substring) -> Double? {
      guard text.first?.isNumber == true || text.first == "." else { return nil }
      return Double(text)
    }
    if let single = number(text) { return (single, single) }
    for index in text.indices where text[index] == "-" {
      if let low = number(text[..<index]), let high = number(text[text.index(after: index)...]) {
        return (low, high)
      }
    }
    return nil
  }

  private static func text(_ step: Step) -> String {
    "\(text(step.range.lowerBound))-\(text(step.range.upperBound))@\(text(step.probability))"
  }

  /// A number without a needless `.0`.
  private static func text(_ value: Double) -> String {
    Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }
}
