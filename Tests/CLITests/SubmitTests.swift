import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer submit` from outside.
final class SubmitTests: XCTestCase {
  private func levels(_ csv: String) throws -> [Int] {
    try String(contentsOfFile: csv, encoding: .utf8).split(separator: "\n").dropFirst().map {
      try XCTUnwrap($0.split(separator: ",").last.flatMap { Int($0) })
    }
  }

  /// A network that adds nothing, trained on [-1, 1]: the values are those of the files.
  func testADeclaredNormalisationIsUndone() throws {
    let scratch = try Scratch()
    try scratch.picture("in/a.png", 24, 16)
    try scratch.picture("in/b.png", 13, 9, channels: 1)
    let submit = ["submit", scratch.file("in"), "--range", "byte", "--targets", scratch.file("in")]
    let plain = try Program.run(submit + ["-o", scratch.file("plain.csv"), "--restored"])
    let weights = try scratch.weights(zero: true, normalization: .symmetric)
    let modelled = try Program.run(
      submit + ["-o", scratch.file("model.csv"), "-m", weights, "-d", "cpu", "--tta"])
    for run in [plain, modelled] {
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.output.hasPrefix("RMSE 0."), run.output)
    }
    let (a, b) = (try levels(scratch.file("plain.csv")), try levels(scratch.file("model.csv")))
    XCTAssertEqual(a.count, 24 * 16 + 13 * 9)
    XCTAssertLessThanOrEqual(zip(a, b).map { abs($0 - $1) }.max() ?? 99, 1)
  }

  /// A slip of the finger must not cost the image or the sample.
  func testWhatIsReadIsNotReplaced() throws {
    let scratch = try Scratch()
    let picture = try scratch.picture("in/a.png", 8, 8)
    let submit = ["submit", picture, "--restored", "-o"]
    let sample = scratch.file("sample.csv")
    XCTAssertEqual(try Program.run(submit + [sample]).status, 0)
    let link = scratch.file("link.csv")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: sample)
    for (output, options, read) in [
      (picture, [], picture), (sample, ["--sample", sample], sample),
      (link, ["--sample", sample], sample),
      (scratch.file("in/../in/a.png"), ["--targets", picture], picture),
    ] {
      let before = try Data(contentsOf: URL(fileURLWithPath: read))
      let run = try Program.run(submit + [output] + options)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertTrue(run.fault.contains("would replace \(read), which is read"), run.errors)
      XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: read)), before)
    }
    // An earlier submission is replaced.
    XCTAssertEqual(try Program.run(submit + [sample]).status, 0)
  }

  func testFaultsAreOneLineAndLeaveNothing() throws {
    let scratch = try Scratch()
    try scratch.picture("in/a.png", 8, 8)
    try scratch.picture("other/b.png", 8, 8)
    try scratch.picture("large/a.png", 9, 8)
    try FileManager.default.createDirectory(
      atPath: scratch.file("empty"), withIntermediateDirectories: true)
    try FileManager.default.createDirectory(
      atPath: scratch.file("out"), withIntermediateDirectories: true)
    let sample = try scratch.bytes("sample.csv", Data("id,value\na_1_1,0\na_1_3,0\n".utf8))
    for (input, options, parts) in [
      ("empty", [], ["empty", "no PNG, JPEG, TIFF, WebP or BMP"]), ("none", [], ["none"]),
      ("in", ["--targets", scratch.file("other")], ["b.png", "no partner"]),
      ("in", ["--targets", scratch.file("large")], ["a.png", "not of the same size"]),
      ("in", ["--sample", sample], [sample, "2 rows, expected 64", "a_1_2"]),
      ("in", ["--sample", scratch.file("none.csv")], ["none.csv", "cannot open: No such file"]),
    ] {
      let run = try Program.run(
        ["submit", scratch.file(input), "-o", scratch.file("out/s.csv"), "--restored"] + options)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
      for part in parts { XCTAssertTrue(run.errors.contains(part), run.errors) }
      XCTAssertEqual(scratch.names(in: "out"), [])
    }
    let full = try Program.run(
      ["submit", scratch.file("in"), "-o", scratch.file("out/s.csv"), "--restored"],
      limit: "-f 0")
    XCTAssertEqual(full.faults.count, 1, full.errors)
    XCTAssertEqual(scratch.names(in: "out"), [])
    for options in [[], ["--restored", "--decimals", "7"], ["--restored", "--first-index", "2"]] {
      let run = try Program.run(["submit", scratch.file("in"), "-o", "s.csv"] + options)
      XCTAssertEqual(run.status, 64, run.errors)
    }
  }
}
