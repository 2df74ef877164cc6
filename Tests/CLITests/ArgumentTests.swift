import Foundation
import TestSupport
import XCTest

/// Words of the command line that cannot be: what was expected is said, and nothing is done.
final class ArgumentTests: XCTestCase {
  private func expectRefusal(
    _ arguments: [String], naming parts: [String], in folder: String? = nil, line: UInt = #line
  ) throws {
    let run = try Program.run(arguments, in: folder)
    XCTAssertEqual(run.status, 64, "\(arguments): \(run.errors)", line: line)
    XCTAssertEqual(run.faults.count, 1, run.errors, line: line)
    for part in parts {
      XCTAssertTrue(run.fault.contains(part), "\(part) in \(run.errors)", line: line)
    }
  }

  /// An unset variable leaves an empty word, and `/input` behind one is a folder of the system.
  func testEmptyWordsAreRefused() throws {
    let scratch = try Scratch()
    let picture = try scratch.picture("a.png", 16, 16)
    for (arguments, part) in [
      (["degrade", picture, "-o", ""], "argument after -o is empty"),
      (["degrade", picture, "--output="], "--output is empty"),
      (["degrade", "", "-o", "out"], "argument after degrade is empty"),
      (["restore", picture, "--output", ""], "argument after --output is empty"),
      (["train", "--data", "", "--experiments", "runs"], "argument after --data is empty"),
      (["train", "--data", "in", "--experiments", ""], "argument after --experiments is empty"),
      (["train", "--data", "in", "--pretrained", ""], "argument after --pretrained is empty"),
      (
        ["submit", picture, "-o", "s.csv", "--restored", "--sample", ""],
        "argument after --sample is empty"
      ),
      (["info", "--", ""], "argument after -- is empty"), ([""], "first argument is empty"),
      (["export", "", "-o", "w.onnx"], "argument after export is empty"),
    ] {
      try expectRefusal(arguments, naming: [part], in: scratch.file(""))
    }
    XCTAssertEqual(scratch.names(in: ""), ["a.png"])
  }

  /// A number with a minus sign is the option's value, and its bounds are told.
  func testNumbersOutOfBoundsAreToldTheBounds() throws {
    for (command, option, bounds) in [
      (["restore", "a.png", "-o", "out"], "--overlap", "0 to 65535"),
      (["restore", "a.png", "-o", "out"], "--threads", "1 to 4096"),
      (["restore", "a.png", "-o", "out"], "--local-statistics", "auto, off or a whole number"),
      (["restore", "a.png", "-o", "out"], "--shard", "K/N, such as 2/8"),
      (["evaluate", "a", "b"], "--border", "0 to 10000"),
      (["evaluate", "a", "b", "--ocr"], "--ocr-layout", "0 to 13"),
      (["compare", "a", "b", "-o", "c.html"], "--limit", "1 to 2000"),
      (["degrade", "a.png", "-o", "out"], "--count", "1 to 100000"),
      (["degrade", "a.png", "-o", "out"], "--seed", "0 to 9223372036854775807"),
      (["submit", "a.png", "-o", "s.csv", "--restored"], "--decimals", "0 to 6"),
      (["submit", "a.png", "-o", "s.csv", "--restored"], "--first-index", "0 to 1"),
      (["bench"], "--repeats", "1 to 1000"), (["serve"], "--port", "0 to 65535"),
      (["serve"], "--max-memory", "1 to 1000000"), (["serve"], "--keep", "1 to 1000000"),
      (["train", "--data", "a"], "--max-minutes", "0 to 10000000"),
      (["info", "document-deblurring"], "--size", "each from 1 to 65535"),
    ] {
      try expectRefusal(command + [option, "-1"], naming: ["-1", bounds])
    }
    try expectRefusal(["serve", "--max-jobs", "1e400"], naming: ["1e400", "1 to 1000000"])
  }

  /// Some shells and editors set widths in which no word can stand.
  func testHelpIsWholeWhateverTheColumns() throws {
    let whole = try Program.run(["restore", "--help"], environment: ["COLUMNS": "80"]).output
    for columns in ["0", "-1", "1", "x"] {
      let run = try Program.run(["restore", "--help"], environment: ["COLUMNS": columns])
      XCTAssertEqual(run.output, whole, columns)
    }
  }
}
