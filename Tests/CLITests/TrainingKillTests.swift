import Foundation
import Restormer
import TestSupport
import XCTest

/// Runs ended by SIGKILL at random moments and started again: they must end as if nothing had
/// happened.
final class TrainingKillTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    try scratch.pairs()
  }

  override func tearDown() { scratch = nil }

  func testKilledRunsEndLikeAnUndisturbedOne() throws {
    let start = Date()
    XCTAssertTrue(try runToTheEnd("undisturbed").contains("finished"))
    let duration = Date().timeIntervalSince(start)
    var resumed = 0
    for _ in 0..<8 {
      resumed += try runAndKill("killed", after: .random(in: 0.1...0.9) * duration) ? 1 : 0
    }
    let last = try runToTheEnd("killed")
    XCTAssertGreaterThan(resumed + (last.contains("going on after step") ? 1 : 0), 0)
    for file in ["models/final.safetensors", "models/best.safetensors", "metrics.csv"] {
      let paths = ["killed", "undisturbed"].map { scratch.file("runs/\($0)/\(file)") }
      let contents = try paths.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
      XCTAssertEqual(contents[0], contents[1], file)
    }
    for part in ["models", "states", "samples"] {
      let left = scratch.names(in: "runs/killed/\(part)").filter { $0.hasPrefix(".") }
      XCTAssertEqual(left, [], "left in \(part)")
    }
  }

  /// Everything that draws at random or is carried from step to step: noise, mixing, augmentation,
  /// average, accumulation.
  private func arguments(_ name: String) throws -> [String] {
    let options = try scratch.bytes(
      "options.yml",
      Data(
        """
        datasets:
          train: {dataroot_gt: "\(scratch.file("data/target"))", sigma_type: random, sigma_range: \
          [0, 50]}
          val: {dataroot_gt: "\(scratch.file("data/target"))", sigma_test: 25}
        """.utf8))
    return [
      "train", "--options", options, "--preset", "tiny", "--name", name, "--experiments",
      scratch.file("runs"), "--steps", "20", "--patch", "16", "--batch", "2", "--save-every", "1",
      "--val-every", "4", "--ema", "0.9", "--mixup", "1.2", "--accumulate", "2", "--warmup", "3",
      "--device", "cpu",
    ]
  }

  private func runToTheEnd(_ name: String) throws -> String {
    let program = try Program.run(try arguments(name))
    XCTAssertEqual(program.status, 0, program.errors)
    return program.errors
  }

  /// Whether the run had gone on from a state before it was killed.
  private func runAndKill(_ name: String, after seconds: Double) throws -> Bool {
    let log = try scratch.bytes("log-\(UUID().uuidString)", Data())
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try Program.path())
    process.arguments = try arguments(name)
    process.standardError = FileHandle(forWritingAtPath: log)
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    Thread.sleep(forTimeInterval: seconds)
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    return try String(contentsOfFile: log, encoding: .utf8).contains("going on after step")
  }
}
