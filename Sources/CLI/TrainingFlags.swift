import ArgumentParser
import Restormer

/// The options of training on the command line: those of the library's table that have a flag.
struct TrainingFlags: ParsableArguments, CustomReflectable {
  /// What was given, by the names of the flags.
  private(set) var settings: [String: String] = [:]

  init() {}

  init(from decoder: any Decoder) throws {
    let given = try decoder.container(keyedBy: Flag.self)
    for flag in TrainingOption.flags {
      settings[flag] = try given.decode(Option<String?>.self, forKey: Flag(flag)).wrappedValue
    }
  }

  /// The parser finds options by reflection: it sees one property for each.
  var customMirror: Mirror {
    Mirror(
      self,
      children: TrainingOption.all.compactMap { option in
        option.flag.map { flag in
          (label: flag, value: option.argument(flag))
        }
      })
  }

  private struct Flag: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }
}

extension TrainingOption {
  fileprivate func argument(_ flag: String) -> Option<String?> {
    let help = meaning + (preset.map { " (default: \($0))" } ?? "")
    // A number may be negative: it is not the next flag then.
    return Option(
      name: .customLong(flag), parsing: isNumeric ? .unconditional : .next,
      help: ArgumentHelp(stringLiteral: help))
  }
}
