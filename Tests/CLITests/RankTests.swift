import Foundation
import Restormer
import TestSupport
import XCTest

/// `mpirun restormer train`: ranks that train together, with every MPI library that is there.
final class RankTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    try scratch.pairs()
  }

  override func tearDown() { scratch = nil }

  private func arguments(_ name: String, steps: Int = 6, _ more: String...) -> [String] {
    let data = scratch.file("data")
    return [
      "train", "--data", data, "--val", data, "--preset", "tiny", "--name", name, "--experiments",
      scratch.file("runs"), "--steps", "\(steps)", "--patch", "16", "--batch", "1", "--val-every",
      "3", "--ema", "0.9", "--device", "cpu",
    ] + more
  }

  private func train(_ arguments: [String], _ launcher: [String] = []) throws {
    let run = try Program.run(arguments, launcher: launcher)
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("finished"), run.errors)
  }

  private func weights(_ name: String, _ file: String = "final") throws -> [Float] {
    try ModelWeights(contentsOf: scratch.file("runs/\(name)/models/\(file).safetensors")).values
  }

  func testRanksTakeTheStepsOfOneProcessThatAccumulates() throws {
    let settings = [
      ["--loss", "l1"], ["--loss", "mse", "--clip", "0.01"],
      ["--optimizer", "sgd", "--lr", "0.01", "--momentum", "0.9"],
      ["--loss", "charbonnier", "--schedule", "cosine", "--ema", "0"],
    ]
    for (index, setting) in settings.enumerated() {
      try train(arguments("alone\(index)", steps: 20) + setting + ["--accumulate", "2"])
      try Launcher.withEach { launcher in
        let names = [1, 2].map { "\(launcher.name)-\(index)-\($0)" }
        try train(arguments(names[0], steps: 20) + setting, launcher.ranks(2))
        // The moments shared out, too: the same to the bit.
        try train(
          arguments(names[1], steps: 20) + setting + ["--shard-optimizer"], launcher.ranks(2))
        let values = try names.map { try weights($0) }
        XCTAssertEqual(values[0], values[1], "\(launcher.name), \(setting): two runs differ")
        let reference = try weights("alone\(index)")
        let error = zip(values[0], reference).map { abs($0 - $1) }.max() ?? .infinity
        XCTAssertLessThan(error, 1e-6, "\(launcher.name), \(setting)")
        for part in ["models", "states", "samples"] {
          XCTAssertEqual(
            scratch.names(in: "runs/\(names[0])/\(part)"),
            scratch.names(in: "runs/alone\(index)/\(part)"))
        }
      }
    }
  }

  /// A gradient that does not fit half precision on one rank costs all of them the step.
  func testRanksScaleTheLossAlike() throws {
    _ = try Device.shared()
    let steep = ["--device", "0", "--precision", "half", "--loss", "mse", "--normalize", "0,2e-4"]
    let alone = try Program.run(arguments("alone") + steep + ["--accumulate", "2"])
    XCTAssertTrue(alone.errors.contains("does not fit half precision"), alone.errors)
    try Launcher.withEach { launcher in
      let run = try Program.run(
        arguments(launcher.name) + steep, launcher: launcher.ranks(2))
      XCTAssertEqual(run.status, 0, run.errors)
      let lines = [alone, run].map { program in
        program.errors.split(separator: "\n").filter { $0.contains("loss scale") }
      }
      XCTAssertEqual(lines[0], lines[1])
      let values = try [launcher.name, "alone"].map { try weights($0) }
      XCTAssertLessThan(zip(values[0], values[1]).map { abs($0 - $1) }.max() ?? .infinity, 1e-6)
    }
  }

  func testSharedOutMomentsAreSavedWhole() throws {
    try Launcher.withEach { launcher in
      let (name, whole) = (launcher.name, "\(launcher.name)-whole")
      let more = ["--accumulate", "2"]
      try train(arguments(whole, steps: 6) + more, launcher.ranks(3))
      try train(arguments(name, steps: 3) + more + ["--shard-optimizer"], launcher.ranks(3))
      try train(arguments(name, steps: 6) + more, launcher.ranks(3))
      XCTAssertEqual(try weights(name), try weights(whole))
    }
  }

  func testValidationIsThatOfOneProcess() throws {
    // At such a rate no number moves.
    try train(arguments("alone", "--accumulate", "3", "--lr", "1e-30"))
    let reference = try validations("alone")
    XCTAssertEqual(reference.count, 2)
    try Launcher.withEach { launcher in
      try train(arguments(launcher.name, "--lr", "1e-30"), launcher.ranks(3))
      XCTAssertEqual(try validations(launcher.name), reference, launcher.name)
    }
  }

  private func validations(_ name: String) throws -> [Substring] {
    try String(contentsOfFile: scratch.file("runs/\(name)/metrics.csv"), encoding: .utf8)
      .split(separator: "\n").filter { $0.contains(",,,") && !$0.hasSuffix(",,,,") }
  }

  func testARunGoesOnWithAnotherNumberOfRanks() throws {
    try Launcher.withEach { launcher in
      let name = launcher.name
      try train(arguments(name, steps: 3), launcher.ranks(2))
      let run = try Program.run(arguments(name, steps: 6))
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains("going on after step 3"), run.errors)
      XCTAssertTrue(run.errors.contains("1 rank now, 2 before"), run.errors)
    }
  }

  func testOtherOptionsOnARankAreNamed() throws {
    try Launcher.withEach { launcher in
      let path = try Program.path()
      let second = [":", "-n", "1", path] + arguments("mixed", "--lr", "0.5")
      let run = try Program.run(arguments("mixed") + second, launcher: launcher.ranks(1))
      XCTAssertNotEqual(run.status, 0)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.fault.contains("rank 1"), run.errors)
      XCTAssertTrue(run.fault.contains("options differ: 'lr: 0.5' here"), run.errors)
    }
  }

  func testALauncherWithoutItsPlugInIsNamed() throws {
    let run = try Program.run(
      ["devices"],
      environment: ["OMPI_COMM_WORLD_SIZE": "2", "RESTORMER_MPI": scratch.file("none.so")])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.fault.contains("none.so: `make mpi` builds it"), run.errors)
  }

  func testTasksThatDoNotKnowEachOtherAreNamed() throws {
    let run = try Program.run(["devices"], environment: ["SLURM_STEP_NUM_TASKS": "2"])
    XCTAssertEqual(run.status, 1)
    XCTAssertTrue(run.faults.first?.contains("--mpi=pmix") ?? false, run.errors)
  }
}
