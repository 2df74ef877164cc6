import Foundation
import Restormer
import XCTest

/// What holds for every option, because all come from one table.
final class OptionsTableTests: XCTestCase {
  private static let reference = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Examples/options/README.md").standardized

  private var numeric: [TrainingOption] {
    TrainingOption.all.filter(\.isNumeric)
  }

  func testNamesAreUnique() {
    let paths = TrainingOption.all.compactMap(\.path)
    XCTAssertEqual(Set(paths).count, paths.count)
    XCTAssertEqual(Set(TrainingOption.flags).count, TrainingOption.flags.count)
  }

  /// Numbers that are none, have no end or are absurd are refused by the name of their flag.
  func testEveryFlagBoundsItsNumber() {
    for option in numeric {
      guard let flag = option.flag else { continue }
      for text in ["nan", "inf", "-inf", "1e400", "-7", "9e99", "99999999999999999999", "12x", ""] {
        XCTAssertThrowsError(try TrainingOptions(settings: ["data": "d", flag: text]), flag) {
          let isNamed = "\($0)".hasPrefix("--\(flag): ")
          XCTAssertTrue(isNamed && "\($0)".contains("expected"), "\($0)")
          XCTAssertFalse("\($0)".contains("\n"), "\($0)")
        }
      }
    }
  }

  /// The same in files, alone and in a list.
  func testEveryKeyBoundsItsNumber() throws {
    for option in numeric {
      guard let path = option.path else { continue }
      for text in [".nan", ".inf", "-.inf", "-7000", "9e99", "[.inf, 1, 1, 1]"] {
        let file = NSTemporaryDirectory() + "options-\(UUID().uuidString).yml"
        defer { unlink(file) }
        let parts = path.split(separator: ".")
        let yaml =
          parts.dropLast().map { "{\($0): " }.joined() + "{\(parts[parts.count - 1]): \(text)}"
          + String(repeating: "}", count: parts.count - 1)
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: file))
        XCTAssertThrowsError(try TrainingOptions(contentsOf: file), yaml) {
          XCTAssertTrue("\($0)".contains("\(path): "), "\($0)")
          XCTAssertTrue("\($0)".contains("expected"), "\($0)")
        }
      }
    }
  }

  /// Sums and products of numbers that are each within bounds.
  func testCombinationsStayCountable() throws {
    var settings = ["data": "d", "accumulate": "65536", "steps": "1000000000", "preset": "tiny"]
    settings["batch"] = "4096"
    settings["patch"] = "8"
    XCTAssertGreaterThan(try TrainingOptions(settings: settings).position(at: .max), 0)
    settings["patch"] = "8192"
    XCTAssertThrowsError(try TrainingOptions(settings: settings)) {
      XCTAssertTrue("\($0)".contains("no device has memory for them"), "\($0)")
    }
  }

  /// `Examples/options/README.md` lists every option; RESTORMER_WRITE_REFERENCE=1 writes it anew.
  func testTheReferenceIsCurrent() throws {
    let rows = TrainingOption.all.filter { !$0.isIgnored }.map { option in
      let names = [option.flag.map { "`--\($0)`" }, option.path.map { "`\($0)`" }]
      let cells = names.map { $0 ?? "" } + [option.meaning, option.expected, option.preset ?? ""]
      return "| \(cells.joined(separator: " | ")) |\n"
    }
    let silent = TrainingOption.all.filter { $0.isIgnored && $0.meaning.isEmpty }
      .compactMap(\.path).map { "`\($0)`" }
    let named = TrainingOption.all.filter { $0.isIgnored && !$0.meaning.isEmpty }
      .map { "* `\($0.path ?? "")`: \($0.meaning)\n" }
    let text = """
      # Options of training

      Every option of `restormer train`, as a flag and as a key of options files, whose names are \
      those of the files that \
      Restormer's authors published. A flag overrides the file; sweeps take the names of flags. \
      `~` at the beginning of a path is \
      the home folder.

      | flag | key | meaning | expected | default |
      |---|---|---|---|---|
      \(rows.joined())
      Keys that have no effect here are said to have none when they ask for something:

      \(named.joined())
      These concern the authors' framework alone: \(silent.joined(separator: ", ")).

      """
    if ProcessInfo.processInfo.environment["RESTORMER_WRITE_REFERENCE"] == "1" {
      try Data(text.utf8).write(to: Self.reference)
    }
    XCTAssertEqual(try String(contentsOf: Self.reference, encoding: .utf8), text)
  }
}
