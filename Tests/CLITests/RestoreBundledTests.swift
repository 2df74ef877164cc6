import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer restore` without weights of one's own.
final class RestoreBundledTests: XCTestCase {
  func testModelsAreListed() throws {
    let run = try Program.run(["restore", "--list-models"])
    XCTAssertEqual(run.status, 0, run.errors)
    let model = try BundledModel.standard()
    for part in [model.name, model.purpose, model.training, model.gain] {
      XCTAssertTrue(run.output.contains(part), run.output)
    }
    let json = try Program.run(["restore", "--list-models", "--json"])
    let listed = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
    let first = try XCTUnwrap((listed as? [[String: Any]])?.first, json.output)
    XCTAssertEqual(first["name"] as? String, model.name)
    XCTAssertEqual(first["parameters"] as? Int, model.weights.model.parameterCount)
  }

  /// No `-m`, the model's name and the same weights in a file give the same picture, and a better
  /// one than the input.
  func testTheSamplePageIsRestored() throws {
    let scratch = try Scratch()
    let model = try BundledModel.standard()
    let file = scratch.file("weights.safetensors")
    try model.weights.state.writeSafetensors(to: file)
    let page = Examples.path("page-blurred.png")
    for (name, options) in [("none", []), ("name", ["-m", model.name]), ("file", ["-m", file])] {
      let run = try Program.run(
        ["restore", page, "-o", scratch.file("\(name).png"), "-d", "cpu"] + options)
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains(name == "file" ? file : model.name), run.errors)
      XCTAssertEqual(try difference(scratch.file("none.png"), scratch.file("\(name).png")), 0, name)
    }
    let target = try Image(contentsOf: Examples.path("page-sharp.png"))
    let before = try Metrics.psnr(Image(contentsOf: page), target)
    let after = try Metrics.psnr(Image(contentsOf: scratch.file("none.png")), target)
    XCTAssertGreaterThan(after, before + 3)
  }

  /// What is no page of text comes back byte for byte, and that is said wherever results are spoken
  /// of.
  func testWhatIsNoPageComesBackAsItWas() throws {
    let scratch = try Scratch()
    let pixels = (0..<3 * 96 * 64).map { i -> Float in
      let (x, y) = (Float(i % 96), Float(i / 96 % 64))
      return 0.5 + 0.3 * sin(x / 7) * cos(y / 9)
    }
    let picture = scratch.file("picture.png")
    let image = Image(width: 96, height: 64, channels: 3, pixels: pixels)
    try image.quantized.write(to: picture, format: .png)
    let run = try Program.run([
      "restore", picture, "-o", scratch.file("a.png"), "-d", "cpu", "--json", "--report",
      scratch.file("report.html"),
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: picture))
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: scratch.file("a.png"))), bytes)
    let said = "no page of text: left as it is; -m takes weights for photographs"
    XCTAssertTrue(run.errors.contains(said), run.errors)
    XCTAssertTrue(run.output.contains("noPage"), run.output)
    let report = try String(contentsOfFile: scratch.file("report.html"), encoding: .utf8)
    XCTAssertTrue(report.contains("no page of text"))
    for command in [
      [
        "evaluate", picture, picture, "-m", "document-deblurring", "--report",
        scratch.file("e.html"),
      ],
      ["submit", picture, "-m", "document-deblurring", "-o", scratch.file("rows.csv")],
    ] {
      let other = try Program.run(command + ["-d", "cpu"])
      XCTAssertEqual(other.status, 0, other.errors)
      XCTAssertTrue(other.errors.contains("picture.png: \(said)"), other.errors)
    }
    XCTAssertTrue(
      try String(contentsOfFile: scratch.file("e.html"), encoding: .utf8).contains(
        "picture.png (no page of text"))
    let forced = try Program.run([
      "restore", picture, "-o", scratch.file("b.png"), "-d", "cpu", "--even-sharp",
    ])
    XCTAssertEqual(forced.status, 0, forced.errors)
    XCTAssertFalse(forced.errors.contains("left as it is"), forced.errors)
    XCTAssertGreaterThan(try difference(picture, scratch.file("b.png")), 0)
    let statistics = try Program.run([
      "restore", picture, "-o", scratch.file("c.png"), "--local-statistics", "4",
    ])
    XCTAssertEqual(statistics.status, 64, statistics.errors)
    XCTAssertTrue(statistics.errors.contains("local-statistics"), statistics.errors)
  }

  func testAnUnknownModelIsAnsweredWithTheNames() throws {
    let scratch = try Scratch()
    let run = try Program.run(
      ["restore", Examples.path("page-blurred.png"), "-o", scratch.file("a.png"), "-m", "nonesuch"])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.errors.contains("nonesuch"), run.errors)
    XCTAssertTrue(run.errors.contains(BundledModel.names[0]), run.errors)
  }

  func testImagesAndAPlaceForResultsAreNeeded() throws {
    for arguments in [["restore"], ["restore", Examples.path("page-blurred.png")]] {
      let run = try Program.run(arguments)
      XCTAssertEqual(run.status, 64, run.errors)
      XCTAssertTrue(run.errors.contains("Usage:"), run.errors)
    }
  }
}
