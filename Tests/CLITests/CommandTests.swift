import CLBackend
import Foundation
import Kernels
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
    let text = try Program.run(["devices"], environment: ["RESTORMER_DEVICE": ""]).output
    XCTAssertTrue(text.contains("CPU backend"), text)
    XCTAssertTrue(text.contains("* is what 'auto' takes"), text)
    let plain = try Program.run(["devices"], environment: ["RESTORMER_CPU_FEATURES": "portable"])
    XCTAssertTrue(plain.output.contains("none needed (portable)"), plain.output)
  }

  /// Where OpenCL offers but the CPU backend's cores, the measured time decides.
  func testAutoTakesTheDriverOfTheSameCoresOnlyWhereItIsFaster() throws {
    let device = try Device.shared().context.device
    try XCTSkipUnless(device.kind == .cpu && OpenCLDevice.all().count == 1, "other devices")
    let scratch = try Scratch()
    let environment = ["RESTORMER_DEVICE": "", "RESTORMER_CACHE_DIR": scratch.file("cache")]
    func chosen(_ arguments: [String] = []) throws -> String {
      let run = try Program.run(["devices"] + arguments, environment: environment)
      XCTAssertEqual(run.status, 0, run.errors)
      return run.output
    }
    let tuning = TuningFile(device, directory: scratch.file("cache"))
    let unknown = try chosen()
    XCTAssertTrue(unknown.contains("*  1  CPU backend"), unknown)
    XCTAssertTrue(unknown.contains("restormer bench --tune -d 0 measures that"), unknown)
    XCTAssertTrue(tuning.store(timeBesideCPUBackend: RelativeTime(restoring: 1.1, training: 0.8)))
    XCTAssertTrue(try chosen().contains("*  1  CPU backend"))
    XCTAssertTrue(tuning.store(timeBesideCPUBackend: RelativeTime(restoring: 0.8, training: 1)))
    let faster = try chosen()
    XCTAssertTrue(faster.contains("*  0 "), faster)
    XCTAssertTrue(faster.contains("0.8 (restoring) and 1.0 (training) of its time"), faster)
    XCTAssertTrue(try chosen(["--json"]).contains("\"restoring_time\" : 0.8"))
  }

  func testDoctorFindsEveryOperatorWell() throws {
    for options in [["-d", "cpu"], ["--kernels", "auto"], ["--kernels", "gpu"]] {
      let text = try succeed(["doctor", "--tiny"] + options).output
      XCTAssertTrue(text.contains(" passed, 0 failed"), text)
      XCTAssertEqual(text.contains("stored as half:"), !options.contains("cpu"), text)
    }
  }

  func testBenchMeasures() throws {
    let bench = ["bench", "--preset", "tiny", "--size", "32x32", "--patch", "16", "--repeats", "1"]
    let text = try succeed(bench).output
    for part in ["multiply-adds: ", "copy: ", "launch: ", "Conv1x1BackwardWeight", "share"]
      + ["inference, 1 x 32x32: ", "training step, 1 x 16x16, without recompute: "]
    {
      XCTAssertTrue(text.contains(part), "\(part) in \(text)")
    }
  }

  func testBenchPrintsJSON() throws {
    let bench = ["bench", "--preset", "tiny", "--size", "32x32", "--patch", "16", "--repeats", "2"]
    let json = try succeed(bench + ["--json", "-d", "cpu", "--recompute", "on"]).output
    let report = try XCTUnwrap(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let ceilings = try XCTUnwrap(report["ceilings"] as? [String: Double])
    for name in ["flops", "bytes", "launch", "launch_and_finish"] {
      XCTAssertGreaterThan(ceilings[name] ?? 0, 0, name)
    }
    let operators = try XCTUnwrap(report["operators"] as? [String: [[String: Any]]])
    XCTAssertTrue(
      operators["training"]?.contains { $0["operator"] as? String == "Conv3x3" } == true)
    for (part, side) in [("inference", 32), ("training", 16)] {
      let object = try XCTUnwrap(report[part] as? [String: Any])
      XCTAssertEqual(object["width"] as? Int, side)
      XCTAssertEqual((object["runs"] as? [Double])?.count, 2)
    }
  }

  func testBenchTakesPartsAndRefusesOthers() throws {
    let bench = ["bench", "--preset", "tiny", "--size", "16x16", "--repeats", "1", "-d", "cpu"]
    let only = try succeed(bench + ["inference"]).output
    XCTAssertTrue(only.contains("inference, 1 x 16x16") && !only.contains("training step"), only)
    for wrong in [["everything"], ["--patch", "12"], ["--batch", "0"], ["--tune"]] {
      XCTAssertNotEqual(try Program.run(bench + wrong).status, 0, "\(wrong)")
    }
    for wrong in [["--precision", "auto"], ["--tune", "--precision", "half"]] {
      XCTAssertEqual(try Program.run(bench + wrong).status, 64, "\(wrong)")
    }
  }

  /// The plan names the rules that made its nodes; without them it is the recording, with the same
  /// multiply-adds.
  func testBenchPrintsPlans() throws {
    let bench = ["bench", "plan", "--preset", "tiny", "--size", "32x32", "--patch", "16"]
    let text = try succeed(bench + ["-d", "cpu"]).output
    for part in [
      "plan of inference, 1 x 32x32:", "plan of a training step, 1 x 16x16:", "AttentionBlock",
      "attention-bands", "gradient-sum", "launches",
    ] {
      XCTAssertTrue(text.contains(part), "\(part) in \(text)")
    }
    func plan(_ rules: String) throws -> [String: Any] {
      let run = try Program.run(
        bench + ["-d", "cpu", "--json"], environment: ["RESTORMER_RULES": rules])
      let report = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
      return try XCTUnwrap(report?["inference_plan"] as? [String: Any], run.errors)
    }
    func operators(_ plan: [String: Any]) -> [String] {
      (plan["nodes"] as? [[String: Any]])?.compactMap { $0["operator"] as? String } ?? []
    }
    let (lowered, plain) = (try plan("all"), try plan("none"))
    XCTAssertEqual(lowered["multiply_adds"] as? Int, plain["multiply_adds"] as? Int)
    XCTAssertTrue(operators(lowered).contains("AttentionBlock"))
    XCTAssertFalse(operators(plain).contains("AttentionBlock"))
    XCTAssertFalse(operators(try plan("-attention-bands")).contains("AttentionBlock"))
  }

  func testAnUnknownRuleIsRefused() throws {
    let weights = try Golden.file("02_dualpixel_bias", "weights.safetensors").path
    let bench = ["bench", "inference", "-m", weights, "--size", "16x16", "-d", "cpu"]
    let run = try Program.run(bench, environment: ["RESTORMER_RULES": "-bands"])
    XCTAssertNotEqual(run.status, 0)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.errors.contains("RESTORMER_RULES: '-bands'"), run.errors)
  }

  /// The tuner keeps what it found; `doctor` then finds the operators well with it.
  func testTuningIsKept() throws {
    try XCTSkipUnless(
      ProcessInfo.processInfo.environment["RESTORMER_SLOW_TESTS"] == "1",
      "RESTORMER_SLOW_TESTS=1 runs it")
    _ = try Device.shared()
    let scratch = try Scratch()
    let environment = ["RESTORMER_CACHE_DIR": scratch.file("cache")]
    let tune = ["bench", "--tune", "--preset", "tiny", "--size", "32x32", "--patch", "16"]
    let run = try Program.run(tune + ["--repeats", "1"], environment: environment)
    XCTAssertEqual(run.status, 0, run.errors)
    for part in ["of the defaults' time", "kept", "of the CPU backend's time"] {
      XCTAssertTrue(run.output.contains(part), run.output)
    }
    let devices = try Program.run(
      ["devices"], environment: environment.merging(["RESTORMER_DEVICE": ""]) { $1 })
    XCTAssertTrue(devices.output.contains("it was measured to take"), devices.output)
    let doctor = try Program.run(["doctor", "--tiny"], environment: environment)
    XCTAssertEqual(doctor.status, 0, doctor.output)
  }

  func testHelpAndVersion() throws {
    XCTAssertTrue(try succeed(["--help"]).output.contains("restore"))
    XCTAssertFalse(try succeed(["--version"]).output.isEmpty)
    XCTAssertTrue(try succeed(["restore", "--help"]).output.contains("--overlap"))
  }

  func testTrainingTellsWhereTheTimeWent() throws {
    let scratch = try Scratch()
    for folder in ["input", "target"] { try scratch.picture("data/\(folder)/a.png", 16, 16) }
    let train = [
      "train", "--data", scratch.file("data"), "--preset", "tiny", "--steps", "1", "--batch", "1",
      "--patch", "16", "--name", "run", "--experiments", scratch.file("runs"), "--profile",
    ]
    let device = (try? Device.shared()) == nil ? "cpu" : "0"
    let run = try succeed(train + ["-d", device])
    let expected = device == "cpu" ? "no kernels to time" : "conv1x1_backward_weight"
    XCTAssertTrue((run.output + run.errors).contains(expected), run.output + run.errors)
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
