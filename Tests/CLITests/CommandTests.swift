import Foundation
import Restormer
import TestSupport
import XCTest

/// The commands beside `restore`.
final class CommandTests: XCTestCase {
  private func succeed(_ arguments: [String], line: UInt = #line) throws -> Program {
    let run = try Program.run(arguments)
    XCTAssertEqual(run.status, 0, "\(arguments): \(run.errors)", line: line)
    return run
  }

  func testInfoTellsWhatWeightsHold() throws {
    let weights = try Golden.file("02_dualpixel_bias", "weights.safetensors").path
    let text = try succeed(["info", weights, "--size", "640x480", "--tensors"]).output
    for part in ["dual_pixel_task true", "bias true", "dim 8", "640x480", "latent.0.attn.qkv.bias"]
    {
      XCTAssertTrue(text.contains(part), "\(part) in \(text)")
    }
  }

  func testDevicesAreListed() throws {
    let text = try succeed(["devices"]).output
    XCTAssertTrue(text.contains("CPU backend"), text)
    XCTAssertTrue(text.contains("* is what 'auto' takes"), text)
  }

  func testDoctorFindsEveryOperatorWell() throws {
    for options in [["-d", "cpu"], ["--kernels", "auto"], ["--kernels", "gpu"]] {
      let text = try succeed(["doctor", "--tiny"] + options).output
      XCTAssertTrue(text.contains(" passed, 0 failed"), text)
    }
  }

  func testBenchMeasures() throws {
    let bench = ["bench", "--preset", "tiny", "--size", "32x32", "--repeats", "1"]
    XCTAssertTrue(try succeed(bench).output.contains("inference:"))
    let json = try succeed(bench + ["--json", "-d", "cpu"]).output
    let report = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    XCTAssertEqual(report?["width"] as? Int, 32)
  }

  func testHelpAndVersion() throws {
    XCTAssertTrue(try succeed(["--help"]).output.contains("restore"))
    XCTAssertFalse(try succeed(["--version"]).output.isEmpty)
    XCTAssertTrue(try succeed(["restore", "--help"]).output.contains("--overlap"))
  }

  /// Three steps, then three more from where the run stood; the result restores pictures.
  func testTrainingStartsAndGoesOn() throws {
    let scratch = try Scratch()
    for index in 0..<4 {
      try scratch.picture("data/input/\(index).png", 40, 32)
      try scratch.picture("data/target/\(index).png", 40, 32)
    }
    func train(_ steps: Int) throws -> Program {
      try succeed([
        "train", "--data", scratch.file("data"), "--val", scratch.file("data"), "--preset", "tiny",
        "--steps", "\(steps)", "--batch", "2", "--patch", "16", "--name", "run", "--experiments",
        scratch.file("experiments"), "--save-every", "3", "-d", "cpu", "--schedule", "constant",
      ])
    }
    XCTAssertTrue(try train(3).errors.contains("finished"))
    let again = try train(6).errors
    XCTAssertTrue(again.contains("3"), again)
    let weights = scratch.file("experiments/run/models/final.safetensors")
    let input = scratch.file("data/input/0.png")
    _ = try succeed(["restore", input, "-o", scratch.file("a.png"), "-m", weights, "-d", "cpu"])
  }
}
