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
  }

  /// No `-m`, the model's name and the same weights in a file give the same picture, and a better one than the input.
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
