import Foundation
import TestSupport
import XCTest

/// Requests to stop a training run, at any time: by the terminal's end too.
final class TrainingSignalTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    for part in ["input", "target"] { try scratch.picture("data/\(part)/a.png", 24, 24) }
  }

  override func tearDown() { scratch = nil }

  private func arguments(_ steps: Int, device: String) -> [String] {
    [
      "train", "--data", scratch.file("data"), "--preset", "tiny", "--steps", "\(steps)", "--patch",
      "16", "--batch", "1", "--experiments", scratch.file("runs"), "--name", "r", "-d", device,
    ]
  }

  /// How often the run has recorded an epoch, here a step.
  private var recorded: Int {
    let text = try? String(contentsOfFile: scratch.file("runs/r/metrics.csv"), encoding: .utf8)
    return (text ?? "").split(separator: "\n").count - 1
  }

  private func wait(_ process: Process, until condition: () -> Bool) {
    while process.isRunning, !condition() { usleep(10_000) }
  }

  /// Programs are compiled for seconds where a driver's cache is empty; a request is heard
  /// meanwhile.
  func testARunIsLeftWhileItIsPrepared() throws {
    let devices = try Program.run(["devices"]).output
    try XCTSkipUnless(
      devices.contains("Portable Computing Language"), "PoCL's cache can be emptied")
    let run = try Program.run(
      arguments(5, device: "pthread"), environment: ["POCL_CACHE_DIR": scratch.file("cache")],
      meanwhile: { process in
        wait(process) { !scratch.names(in: "runs/r/events").isEmpty }
        usleep(700_000)
        process.terminate()
      })
    XCTAssertEqual(run.status, 143, run.errors)
    XCTAssertTrue(run.errors.hasSuffix("interrupted\n"), run.errors)
    for part in ["states", "models", "samples"] {
      XCTAssertEqual(scratch.names(in: "runs/r/\(part)"), [])
    }
    XCTAssertEqual(
      scratch.names(in: "runs/r").filter { $0.hasPrefix(".") }, [], "half-written files")
  }

  /// A run of a deep and narrow network, which `stop` asks to end before its first step.
  private func plannedRun(blocks: Int, _ stop: (Process) -> Void) throws -> Program {
    let network = "dim: 8, heads: [1, 1, 1, 1], num_blocks: \([Int](repeating: blocks, count: 4))"
    let options = try scratch.bytes("blocks.yml", Data("network_g: {\(network)}\n".utf8))
    let run = try Program.run(
      [
        "train", "--options", options, "--data", scratch.file("data"), "--steps", "1", "--patch",
        "16", "--batch", "1", "--experiments", scratch.file("runs"), "--name", "r", "-d", "cpu",
      ], meanwhile: stop)
    XCTAssertEqual(run.status, 143, run.errors)
    XCTAssertTrue(run.errors.hasSuffix("interrupted\n"), run.errors)
    return run
  }

  /// Planning a network of hundreds of blocks takes minutes: a request is heard meanwhile.
  func testARunIsLeftWhileItIsPlanned() throws {
    _ = try plannedRun(blocks: 256) { process in
      wait(process) { heedsRequests(process) }
      usleep(200_000)
      process.terminate()
    }
    XCTAssertEqual(scratch.names(in: "runs"), [])
  }

  /// The step itself is planned once the records are open. A request that comes while they are
  /// opened is not held up by it.
  func testARunIsLeftBeforeItsFirstStep() throws {
    let run = try plannedRun(blocks: 24) { process in
      wait(process) { !scratch.names(in: "runs/r/events").isEmpty }
      process.terminate()
    }
    XCTAssertFalse(run.errors.contains("saved"), run.errors)
    XCTAssertEqual(scratch.names(in: "runs/r/states"), [])
  }

  /// Whether the program has taken signals into its own hands: SIGTERM no longer does what it does
  /// by itself.
  private func heedsRequests(_ process: Process) -> Bool {
    let path = "/proc/\(process.processIdentifier)/status"
    let status = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return status.split(separator: "\n").contains { line in
      guard line.hasPrefix("SigIgn:") || line.hasPrefix("SigCgt:") else { return false }
      let mask = UInt64(line.dropFirst(7).filter { !$0.isWhitespace }, radix: 16) ?? 0
      return mask >> UInt64(SIGTERM - 1) & 1 == 1
    }
  }

  /// A launcher of ranks hands on what the ranks have been sent as well.
  func testRequestsThatComeTogetherAreOne() throws {
    let run = try Program.run(arguments(1_000_000, device: "cpu")) { process in
      wait(process) { recorded > 0 }
      for _ in 0..<3 {
        kill(process.processIdentifier, SIGTERM)
        usleep(2000)
      }
    }
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("saved after step"), run.errors)
  }

  func testASecondRequestLeavesAtOnce() throws {
    let run = try Program.run(arguments(9, device: "cpu") + ["--accumulate", "300"]) { process in
      wait(process) { recorded > 0 }
      kill(process.processIdentifier, SIGTERM)
      usleep(600_000)
      kill(process.processIdentifier, SIGTERM)
    }
    XCTAssertEqual(run.status, 143, run.errors)
    XCTAssertTrue(run.errors.hasSuffix("interrupted\n"), run.errors)
  }

  func testAClosedTerminalSaves() throws {
    let run = try Program.run(arguments(1_000_000, device: "cpu")) { process in
      wait(process) { recorded > 0 }
      kill(process.processIdentifier, SIGHUP)
    }
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("saved after step"), run.errors)
    XCTAssertEqual(scratch.names(in: "runs/r/states").count, 1)
  }

  /// A run that was started to outlive its terminal does.
  func testNohupIsHeeded() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments =
      ["-c", "trap '' HUP; exec \"$0\" \"$@\"", try Program.path()]
      + arguments(1_000_000, device: "cpu")
    process.standardError = FileHandle.nullDevice
    try process.run()
    wait(process) { recorded > 0 }
    kill(process.processIdentifier, SIGHUP)
    let before = recorded
    wait(process) { recorded > before + 1 }
    XCTAssertTrue(process.isRunning)
    process.terminate()
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0)
  }

  /// A log that nobody reads any more is no reason to stop.
  func testAReaderThatLeavesStopsNothing() throws {
    let pipe = Pipe()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try Program.path())
    process.arguments = arguments(3, device: "cpu")
    process.standardError = pipe
    try pipe.fileHandleForReading.close()
    try process.run()
    process.waitUntilExit()
    XCTAssertEqual(process.terminationReason, .exit)
    XCTAssertEqual(process.terminationStatus, 0)
    XCTAssertTrue(scratch.names(in: "runs/r/models").contains("final.safetensors"))
  }
}
