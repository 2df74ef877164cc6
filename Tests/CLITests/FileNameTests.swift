import Foundation
import Restormer
import TestSupport
import XCTest

/// Folders as people have them: names that are no text, twins, images of other formats, damaged
/// ones.
final class FileNameTests: XCTestCase {
  private let latin = String(systemBytes: Array("caf".utf8) + [0xE9] + Array(".png".utf8))
  private let composed = "\u{E9}.png"
  private let decomposed = "e\u{301}.png"

  /// A folder with pictures of these names.
  private func folder(_ scratch: Scratch, _ name: String, _ files: [String]) throws {
    for (index, file) in files.enumerated() {
      let made = try scratch.picture("\(name)/\(index).tmp", 16 + index, 16)
      XCTAssertEqual(rename(made, scratch.file("\(name)/\(file)").systemPath), 0)
    }
  }

  func testNamesAreBytesInEveryCommand() throws {
    let scratch = try Scratch()
    let names = [latin, composed, decomposed, "-o.png", "a\nb,\".png"]
    for part in ["data/input", "data/target"] { try folder(scratch, part, names) }
    let (input, target) = (scratch.file("data/input"), scratch.file("data/target"))
    let weights = try scratch.weights(zero: true)
    let model = ["-m", weights, "-d", "cpu"]
    let runs = [
      ["restore", input, "-o", scratch.file("out")] + model,
      ["evaluate", input, target] + model,
      ["evaluate", scratch.file("out"), target, "--report", scratch.file("report.html")],
      ["compare", input, scratch.file("out"), "--target", target, "-o", scratch.file("c.html")],
      ["submit", input, "-o", scratch.file("s.csv"), "--targets", target] + model,
      ["degrade", target, "-o", scratch.file("made")],
      [
        "train", "--data", scratch.file("data"), "--preset", "tiny", "--steps", "1", "--patch",
        "16", "--batch", "1", "--experiments", scratch.file("runs"), "-d", "cpu",
      ],
    ]
    for arguments in runs {
      let run = try Program.run(arguments)
      XCTAssertEqual(run.status, 0, "\(arguments): \(run.errors)")
    }
    for made in ["out", "made/input"] {
      XCTAssertEqual(
        try folderContents(scratch.file(made)).map(\.systemBytes),
        names.sorted(by: String.precedes).map(\.systemBytes), made)
    }
    let rows = try Data(contentsOf: URL(fileURLWithPath: scratch.file("s.csv")))
    XCTAssertNotNil(rows.range(of: Data("\ncaf".utf8 + [0xE9] + "_1_1,".utf8)))
    XCTAssertNotNil(rows.range(of: Data("\n\"a\nb,\"\"_1_1\",".utf8)))
    let table = try Program.run(["evaluate", input, target, "--format", "csv"])
    XCTAssertTrue(table.output.contains("\n\"a\nb,\"\".png\",inf"), table.output)
  }

  func testAnOptionsFileIsFoundByItsBytes() throws {
    let scratch = try Scratch()
    let file = try scratch.bytes("x.yml", Data("network_g: {dim: 3}\n".utf8))
    let name = scratch.file(String(systemBytes: [0xE9] + Array(".yml".utf8)))
    XCTAssertEqual(rename(file, name.systemPath), 0)
    // The shell names it: `Process` would not take the byte.
    let run = try Program.run(
      ["train", "--options"],
      launcher: ["bash", "-c", #"exec "$@" "$0"/$'\xe9'.yml"#, scratch.path])
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.errors.contains("dim is 3"), run.errors)
  }

  func testImagesOfOtherFormatsAreNamed() throws {
    let scratch = try Scratch()
    for part in ["a/input", "a/target"] { try folder(scratch, part, ["x.png"]) }
    for name in ["b.heic", "c.exr"] { _ = try scratch.bytes("a/input/" + name, Data([1])) }
    _ = try scratch.bytes("a/input/notes.txt", Data([1]))
    let (input, target) = (scratch.file("a/input"), scratch.file("a/target"))
    let model = ["-m", try scratch.weights(zero: true), "-d", "cpu"]
    for arguments in [
      ["restore", input, "-o", scratch.file("out")] + model, ["evaluate", input, target],
      ["compare", input, target, "-o", scratch.file("c.html")],
      ["submit", input, "-o", scratch.file("s.csv"), "--restored"],
      ["degrade", input, "-o", scratch.file("made")],
      [
        "train", "--data", scratch.file("a"), "--val", scratch.file("a"), "--preset", "tiny",
        "--steps", "1", "--patch", "16", "--batch", "1", "--experiments", scratch.file("runs"),
        "-d", "cpu",
      ],
    ] {
      let run = try Program.run(arguments)
      XCTAssertEqual(run.status, 0, "\(arguments): \(run.errors)")
      let lines = run.errors.split(separator: "\n").filter { $0.contains("left out") }
      XCTAssertEqual(lines.count, 1, "\(arguments): \(run.errors)")
      XCTAssertEqual(
        lines.first.map(String.init),
        "warning: 2 images of other formats were left out: \(input)/b.heic, \(input)/c.exr")
    }
  }

  /// Gray beside colour, a damaged file, one of another size and one without a partner: the rest is
  /// scored.
  func testBadImagesDoNotStopScoring() throws {
    let scratch = try Scratch()
    for part in ["in", "target"] {
      for name in ["a", "damaged", "good"] { try scratch.picture("\(part)/\(name).png", 24, 20) }
    }
    try scratch.picture("in/odd.png", 24, 20)
    try scratch.picture("target/odd.png", 25, 20)
    try scratch.picture("in/lonely.png", 24, 20)
    try scratch.picture("target/a.png", 24, 20, channels: 1)
    let whole = try Data(contentsOf: URL(fileURLWithPath: scratch.file("in/damaged.png")))
    _ = try scratch.bytes("in/damaged.png", whole.dropLast(60))
    let (input, target) = (scratch.file("in"), scratch.file("target"))
    for (arguments, rows) in [
      (["evaluate", input, target], ["a.png", "good.png", "mean"]),
      (
        ["evaluate", input, target, "--report", scratch.file("e.html")],
        ["a.png", "good.png", "mean"]
      ),
      (["compare", input, target, "--target", target, "-o", scratch.file("c.html")], ["after"]),
    ] {
      let run = try Program.run(arguments)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 3, run.errors)
      for name in ["damaged.png", "odd.png", "lonely.png"] {
        XCTAssertEqual(run.faults.filter { $0.contains(name) }.count, 1, run.errors)
      }
      XCTAssertTrue(run.errors.contains("3 of 5 failed"), run.errors)
      for row in rows { XCTAssertTrue(run.output.contains(row), run.output) }
    }
    for page in ["e.html", "c.html"] {
      XCTAssertTrue(FileManager.default.fileExists(atPath: scratch.file(page)))
    }
  }
}
