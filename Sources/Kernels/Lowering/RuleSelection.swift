import Foundation

/// The rewrites that may be used: all of them, but for those that were switched off.
public struct RuleSelection: Hashable, Sendable {
  private let off: Set<String>

  /// Every rule.
  public static let all = RuleSelection(off: [])
  /// No rule: the recording as it stands.
  public static let none = RuleSelection(off: Set(Rewrite.all.map(\.name)))

  private init(off: Set<String>) { self.off = off }

  /// Reads `none`, `all` or a list of names to switch off: `-depthwise-gate,-attention-bands`.
  /// - Throws: `RuleError` for a name that is none.
  public init(_ text: String) throws {
    switch text.trimmingCharacters(in: .whitespaces) {
    case "", "all": self = .all
    case "none": self = .none
    default: off = Set(try text.split(separator: ",").map(Self.rule))
    }
  }

  /// What `RESTORMER_RULES` says; every rule if it is not set.
  /// - Throws: `RuleError` for a name that is none.
  public static var inForce: RuleSelection {
    get throws {
      try RuleSelection(ProcessInfo.processInfo.environment["RESTORMER_RULES"] ?? "all")
    }
  }

  /// Everything but the rule called `name`.
  public static func without(_ name: String) -> RuleSelection { RuleSelection(off: [name]) }

  func contains(_ name: String) -> Bool { !off.contains(name) }

  private static func rule(_ item: Substring) throws -> String {
    let item = item.trimmingCharacters(in: .whitespaces)
    let names = Rewrite.all.map(\.name)
    guard item.hasPrefix("-"), names.contains(String(item.dropFirst())) else {
      throw RuleError(item: item, known: names)
    }
    return String(item.dropFirst())
  }
}

/// `RESTORMER_RULES` names a rule that does not exist.
public struct RuleError: Error, CustomStringConvertible, Sendable {
  let item: String
  let known: [String]

  public var description: String {
    "RESTORMER_RULES: '\(item)': expected none, all or some of "
      + known.map { "-" + $0 }.joined(separator: ",")
  }
}
