import Foundation
import Yams

/// A grid of training runs, read from a file such as
///
///     base:
///       preset: tiny
///       steps: 300
///     grid:
///       loss: [l1, mse]
///       optimizer:
///         - adamw
///         - sgd: {lr: 0.1, clip: 1}
///
/// Keys are options of `restormer train` without their dashes, values are as on the command line. A
/// value may bring further options along, which then hold for its runs.
package struct SweepFile: Sendable {
  /// An option and its value.
  package struct Setting: Sendable, Hashable {
    /// The option's name.
    package let key: String
    /// Its value as the file has it.
    package let value: String
  }

  /// A value of the grid.
  struct Choice: Sendable, Hashable {
    let value: String
    /// What goes with it.
    let further: [Setting]
  }

  /// The file.
  package let path: String
  /// The sweep's name, by default that of the file.
  package let name: String
  /// What holds for all runs.
  package let base: [Setting]
  /// What differs between runs, in the order of the file.
  let grid: [(key: String, choices: [Choice])]

  /// The keys of the grid, in the order of the file.
  package var keys: [String] { grid.map(\.key) }

  /// More runs than this are a mistake.
  private static let mostRuns = 500

  /// Reads a file with the options of `TrainingOption.flags`.
  /// - Throws: `DataError` naming file and key: unreadable YAML, an unknown key with the nearest
  ///   known one, a value that is none, no grid.
  package init(contentsOf path: String) throws {
    let file = try SweepReader(path: path, known: TrainingOption.flags.filter { $0 != "name" })
    self.path = path
    let sections = try file.sections()
    name = sections.name ?? Self.stem(path)
    if let fault = TrainingOptions.fault(ofName: name) { throw DataError("\(path): \(fault)") }
    base = try sections.base.map { try file.settings($0, in: "base") } ?? []
    grid = try file.grid(sections.grid)
    let count = grid.reduce(1) { min($0, Self.mostRuns) * $1.choices.count }
    guard (1...Self.mostRuns).contains(count) else {
      throw DataError("\(path): the grid makes \(count) runs, expected at most \(Self.mostRuns)")
    }
    if let fixed = base.map(\.key).first(where: keys.contains) {
      throw DataError("\(path): \(fixed) stands under base and under grid")
    }
    try checkNames()
  }

  private static func stem(_ path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  /// The runs: the last key of the grid changes fastest.
  package var runs: [SweepRun] {
    var runs = [SweepRun(choices: [], values: [], further: [])]
    for (key, choices) in grid {
      runs = runs.flatMap { run in
        choices.enumerated().map { run.choosing($0.element, at: $0.offset, for: key) }
      }
    }
    return runs
  }

  /// The options of a run: the file's shared ones, then those `given` on the command line, then the
  /// run's own.
  /// - Throws: `DataError` naming the file and the run.
  package func options(
    of run: SweepRun, given: [String: String]
  ) throws -> TrainingOptions {
    var settings = given
    for setting in base where settings[setting.key] == nil {
      settings[setting.key] = setting.value
    }
    for setting in run.further + run.values { settings[setting.key] = setting.value }
    settings["name"] = run.name
    do {
      return try TrainingOptions(settings: settings)
    } catch {
      throw DataError("\(path): \(run.name): \(error)")
    }
  }

  private func checkNames() throws {
    var names: Set<String> = []
    for run in runs where !names.insert(run.name).inserted {
      throw DataError("\(path): two runs would be named '\(run.name)'")
    }
  }
}

/// One combination of a grid's values.
package struct SweepRun: Sendable, Hashable {
  /// Numbers of the chosen values, one a key.
  let choices: [Int]
  /// The chosen values.
  package let values: [SweepFile.Setting]
  /// What goes with them.
  package let further: [SweepFile.Setting]

  fileprivate func choosing(_ choice: SweepFile.Choice, at index: Int, for key: String) -> SweepRun
  {
    SweepRun(
      choices: choices + [index], values: values + [.init(key: key, value: choice.value)],
      further: further + choice.further)
  }

  /// The name of the run and its folder, made of its values: `loss=l1,optimizer=sgd`.
  package var name: String {
    let text = values.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    let kept = text.prefix(120).map { character in
      let isPlain = character.isASCII && (character.isLetter || character.isNumber)
      return isPlain || "=,.-_+@".contains(character) ? character : "-"
    }
    return String(kept)
  }
}
