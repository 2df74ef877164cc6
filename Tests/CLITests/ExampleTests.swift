import Foundation
import XCTest

/// The help of every command has an example that runs where the folder `Examples` is.
final class ExampleTests: XCTestCase {
  /// What stands behind `Example:` up to the next empty line, which the help may have broken into
  /// several.
  private func example(_ command: String) throws -> [String] {
    let help = try Program.run([command, "--help"]).output
    let start = try XCTUnwrap(help.range(of: "Example: "), "\(command) has no example")
    let text = String(help[start.upperBound...])
    let end = text.range(of: "\n\n")?.lowerBound ?? text.endIndex
    return text[..<end].split(whereSeparator: \.isWhitespace).map(String.init)
  }

  private func commands() throws -> [String] {
    let help = try Program.run(["--help"]).output
    let list = try XCTUnwrap(help.components(separatedBy: "SUBCOMMANDS:\n").last)
    return list.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }
      .filter { $0.allSatisfy(\.isLowercase) }
  }

  func testEveryExampleRuns() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let commands = try commands()
    for known in ["restore", "train", "evaluate", "degrade", "submit", "doctor"] {
      XCTAssertTrue(commands.contains(known), "\(known) in \(commands)")
    }
    for command in commands {
      let scratch = try Scratch()
      try FileManager.default.copyItem(
        atPath: root.appendingPathComponent("Examples").path, toPath: scratch.file("Examples"))
      let words = try example(command)
      XCTAssertEqual(Array(words.prefix(2)), ["restormer", command])
      // The server runs until it is ended; it has tests of its own.
      if command == "serve" { continue }
      let run = try Program.run(Array(words.dropFirst()), in: scratch.path)
      XCTAssertEqual(run.status, 0, "\(words.joined(separator: " ")): \(run.errors)")
    }
  }
}
