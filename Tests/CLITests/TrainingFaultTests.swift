import Foundation
import Restormer
import TestSupport
import XCTest

/// What `train` refuses, and what it says about options that it takes.
final class TrainingFaultTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    for part in ["data/input", "data/target", "other/input", "other/target"] {
      try scratch.picture("\(part)/a.png", 24, 24)
    }
  }

  override func tearDown() { scratch = nil }

  private func train(_ options: [String], data: String = "data") throws -> Program {
    try Program.run(
      [
        "train", "--data", scratch.file(data), "--preset", "tiny", "--patch", "16", "--batch", "1",
        "--name", "run", "--device", "cpu", "--experiments", scratch.file("runs"),
      ] + options)
  }

  private func options() throws -> TrainingOptions {
    try TrainingOptions(contentsOf: scratch.file("runs/run/options.yml"))
  }

  func testTheCPUBackendRefusesOtherPrecisions() throws {
    for (precision, fault) in [
      ("half", "precision half: the CPU backend stores float only"),
      ("tf32", "precision tf32: the CPU backend has no unit for it"),
      ("auto", "--precision: 'auto', expected float, half or tf32"),
    ] {
      let run = try train(["--steps", "1", "--precision", precision])
      XCTAssertNotEqual(run.status, 0)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.faults.first?.contains(fault) ?? false, run.errors)
      XCTAssertEqual(scratch.names(in: "runs"), [])
    }
  }

  /// Old weights under new options would be a lie.
  func testAFinishedRunDoesNotPassForAnother() throws {
    XCTAssertEqual(try train(["--steps", "1"]).status, 0)
    let before = try options()
    for (data, flags, part) in [
      ("other", [], "datasets.train.dataroot_lq"),
      ("data", ["--loss", "mse"], "L1Loss -> MSELoss"),
      ("data", ["--lr", "0.1"], "0.0003 -> 0.1"),
    ] {
      let run = try train(["--steps", "1"] + flags, data: data)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.fault.contains(part), run.errors)
      XCTAssertTrue(run.fault.contains("choose another --name"), run.errors)
      XCTAssertFalse(run.errors.contains("finished:"), run.errors)
    }
    XCTAssertEqual(try train(["--steps", "1", "--keep", "1"]).status, 0)
    XCTAssertEqual(try options(), before)
    XCTAssertEqual(try train(["--steps", "2", "--loss", "mse"]).status, 0)
    XCTAssertEqual(try options().loss, .mse)
  }

  func testAbsurdNumbersAreOneLine() throws {
    for (flag, value) in [
      ("batch", "1000000000000"), ("accumulate", "1000000000000000"),
      ("steps", "9223372036854775807"), ("epochs", "9223372036854775807"), ("patch", "800000000"),
      ("seed", "-1"), ("lr", "nan"), ("save-minutes", "inf"),
    ] {
      let run = try train(["--\(flag)", value])
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(
        run.faults.first?.hasPrefix("error: --\(flag): \(value)")
          ?? run.faults.first?.hasPrefix("error: --\(flag): '\(value)'") ?? false, run.errors)
    }
    let file = try scratch.bytes(
      "huge.yml", Data("network_g: {num_blocks: [3000000, 1, 1, 1], dim: 400000000000}\n".utf8))
    let run = try train(["--options", file])
    XCTAssertEqual(run.faults.count, 1, run.errors)
    for key in ["network_g.num_blocks: [3000000, 1, 1, 1]", "network_g.dim: 400000000000"] {
      XCTAssertTrue(run.errors.contains(key), run.errors)
    }
    XCTAssertEqual(scratch.names(in: "runs"), [])
  }

  func testARateBeyondItsScheduleIsSaid() throws {
    let file = try scratch.bytes(
      "past.yml",
      Data(
        """
        train:
          total_iter: 6
          scheduler: {type: CosineAnnealingRestartCyclicLR, periods: [1, 2], eta_mins: [1e-4, 1e-6]}
        num_gpu: 2

        """.utf8))
    let run = try train(["--options", file])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(
      run.errors.contains("ends after step 3 of 6: from there it stays at 1e-06"), run.errors)
    XCTAssertTrue(run.errors.contains("num_gpu 2 has no effect: "), run.errors)
  }

  func testAFolderThatCannotBeMadeSaysWhy() throws {
    let file = try scratch.bytes("file", Data())
    let run = try train(["--steps", "1", "--experiments", file])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.errors.contains("\(file)/run/models: cannot make the folder: "), run.errors)
    XCTAssertTrue(run.errors.contains("Not a directory"), run.errors)
  }
}
