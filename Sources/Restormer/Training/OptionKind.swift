import Foundation

/// An option's value as a file or a command line has it: letters, not yet a number or a choice.
enum OptionValue: Sendable, CustomStringConvertible {
  case text(String)
  case list([String])
  /// A section where a value is expected.
  case section

  /// The items of a list, or of a text with commas between them.
  fileprivate var items: [String]? {
    switch self {
    case .text(let text): text.split(separator: ",").map { $0.filter { $0 != " " } }
    case .list(let items): items
    case .section: nil
    }
  }

  fileprivate var text: String? { if case .text(let text) = self { text } else { nil } }

  /// For messages: numbers stand plain, words in quotes, and nothing is long.
  var description: String {
    switch self {
    case .text(let text):
      let isLong = text.count > 60
      let short = isLong ? text.prefix(60) + "..." : text[...]
      return Double(text) == nil ? "'\(short)'" : String(short)
    case .list(let items):
      let short = items.prefix(8).map { String($0.prefix(20)) } + (items.count > 8 ? ["..."] : [])
      return "[\(short.joined(separator: ", "))]"
    case .section: return "a section"
    }
  }
}

/// What the values of an option may be, and how they are read and written.
struct OptionKind<Value: Sendable>: Sendable {
  /// For messages: "a whole number from 1 to 4096".
  let expected: String
  let parse: @Sendable (OptionValue) -> Value?
  /// Whether a value is within the bounds.
  let holds: @Sendable (Value) -> Bool
  /// A value as options files have it.
  let format: @Sendable (Value) -> String
  /// A value as a command line has it, where that differs.
  var shown: (@Sendable (Value) -> String)?

  /// - Throws: `DataError` with the text and what was expected.
  func value(of text: OptionValue) throws -> Value {
    guard let value = parse(text), holds(value) else {
      throw DataError("\(text), expected \(expected)")
    }
    return value
  }
}

extension OptionKind where Value == Int {
  /// Whole numbers; `5e3` and `1_000` are some.
  static func whole(_ bounds: ClosedRange<Int>) -> Self {
    Self(
      expected: "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)",
      parse: { $0.text.flatMap(Self.number) }, holds: bounds.contains, format: { "\($0)" })
  }

  private static func number(_ text: String) -> Int? {
    let digits = text.withoutSeparators
    // To YAML's older version 010 is eight.
    guard digits.count == 1 || !digits.hasPrefix("0") || Int(digits) == nil else { return nil }
    return Int(digits) ?? Double(digits).flatMap { Int(exactly: $0) }
  }
}

extension OptionKind where Value: BinaryFloatingPoint & LosslessStringConvertible {
  /// Numbers within `bounds`.
  static func number(_ bounds: ClosedRange<Value>) -> Self {
    number(
      "a number from \(text(bounds.lowerBound)) to \(text(bounds.upperBound))", bounds.contains)
  }

  /// Numbers from the lower bound to below the upper one.
  static func number(_ bounds: Range<Value>) -> Self {
    number(
      "a number from \(text(bounds.lowerBound)) to below \(text(bounds.upperBound))",
      bounds.contains)
  }

  /// Numbers above zero, up to `largest`.
  static func positive(upTo largest: Value) -> Self {
    number("a number above 0, up to \(text(largest))") { $0 > 0 && $0 <= largest }
  }

  /// A bound without a needless `.0`.
  private static func text(_ bound: Value) -> String {
    Int(exactly: bound).map { "\($0)" } ?? "\(bound)"
  }

  private static func number(
    _ expected: String, _ holds: @escaping @Sendable (Value) -> Bool
  ) -> Self {
    Self(
      expected: expected, parse: { $0.text.flatMap { Value($0.withoutSeparators) } },
      holds: holds, format: { "\($0)" })
  }

}

extension OptionKind {
  /// Another kind's numbers, or 0 for none.
  static func zeroForNone<Number: BinaryFloatingPoint>(
    or kind: OptionKind<Number>
  ) -> Self where Value == Number? {
    Self(
      expected: "\(kind.expected), or 0 for none",
      parse: { text in kind.parse(text).map { $0 == 0 ? nil : $0 } },
      holds: { $0.map(kind.holds) ?? true }, format: { $0.map(kind.format) ?? "0" })
  }

  /// Lists of another kind's values.
  static func list<Element>(
    of kind: OptionKind<Element>, _ counts: ClosedRange<Int> = 1...100
  ) -> Self where Value == [Element] {
    let (low, high) = (counts.lowerBound, counts.upperBound)
    return Self(
      expected: "a list of \(low == high ? "\(low)" : "\(low) to \(high)"), each \(kind.expected)",
      parse: { text in
        guard let items = text.items else { return nil }
        let values = items.compactMap { kind.parse(.text($0)) }
        return values.count == items.count ? values : nil
      },
      holds: { counts.contains($0.count) && $0.allSatisfy(kind.holds) },
      format: { "[\($0.map(kind.format).joined(separator: ", "))]" })
  }

  /// One of few values, each with its names: the first is written, all are read, in capitals or
  /// not.
  static func choice(_ choices: [(value: Value, names: [String])]) -> Self where Value: Equatable {
    let first = choices.map { $0.names.joined(separator: "/") }
    let isSingle = first.count == 1
    return Self(
      expected: isSingle
        ? first[0] : first.dropLast().joined(separator: ", ") + " or " + first[first.count - 1],
      parse: { text in
        let name = text.text?.lowercased()
        return choices.first { $0.names.contains { $0.lowercased() == name } }?.value
      },
      holds: { value in choices.contains { $0.value == value } },
      format: { value in choices.first { $0.value == value }?.names[0] ?? "" },
      shown: { value in choices.first { $0.value == value }?.names.last ?? "" })
  }
}

extension OptionKind {
  /// The same values, in quotes in files: to YAML an unquoted `on` is a truth value.
  var quoted: Self {
    Self(
      expected: expected, parse: parse, holds: holds, format: { "\"\(self.format($0))\"" },
      shown: format)
  }
}

extension OptionKind where Value == Bool {
  /// Truth values, in all of YAML's spellings and as 0 and 1.
  static let truth = Self(
    expected: "true or false",
    parse: {
      switch $0.text?.lowercased() {
      case "true", "yes", "on", "1": true
      case "false", "no", "off", "0": false
      default: nil
      }
    },
    holds: { _ in true }, format: { "\($0)" })
}

extension OptionKind where Value == Void {
  /// Nothing at all: an option that there is no use for, and why.
  static func nothing(_ reason: String) -> Self {
    Self(
      expected: "nothing: \(reason)", parse: { $0.text == "" ? () : nil }, holds: { true },
      format: { "" })
  }
}

extension OptionKind where Value == String {
  /// Any text.
  static let text = Self(
    expected: "one text", parse: { $0.text }, holds: { _ in true }, format: { $0.quotedForYAML },
    shown: { $0 })

  /// A file or folder; `~` at its beginning is the home folder.
  static let path = Self(
    expected: "one path",
    parse: { $0.text.map { ($0 as NSString).expandingTildeInPath.withoutLastSlashes } },
    holds: { !$0.unicodeScalars.contains("\0") }, format: { $0.quotedForYAML }, shown: { $0 })
}

extension String {
  /// `1_000` as `1000`.
  fileprivate var withoutSeparators: String {
    hasPrefix("_") || hasSuffix("_") ? self : replacing("_", with: "")
  }

  /// `pages/`, as shells complete it, as `pages`.
  fileprivate var withoutLastSlashes: String {
    let end = utf8.lastIndex { $0 != UInt8(ascii: "/") } ?? startIndex
    return isEmpty ? self : String(self[...end])
  }

  /// As a YAML text in double quotes.
  fileprivate var quotedForYAML: String {
    let escapes: [Unicode.Scalar: String] = ["\"": "\\\"", "\\": "\\\\", "\n": "\\n", "\t": "\\t"]
    return "\"\(unicodeScalars.map { escapes[$0] ?? String($0) }.joined())\""
  }
}
