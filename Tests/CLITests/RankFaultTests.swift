import Foundation
import Restormer
import TestSupport
import XCTest

/// Ranks that are killed or asked to stop, and runs that go on afterwards.
final class RankFaultTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    for index in 0..<5 {
      for part in ["input", "target"] { try scratch.picture("data/\(part)/\(index).png", 32, 24) }
    }
  }

  override func tearDown() { scratch = nil }

  private func train(_ name: String, steps: Int) -> [String] {
    [
      "train", "--data", scratch.file("data"), "--preset", "tiny", "--name", name,
      "--experiments", scratch.file("runs"), "--steps", "\(steps)", "--patch", "16", "--batch",
      "1", "--save-every", "10", "--ema", "0.9", "--accumulate", "2", "--device", "cpu",
    ]
  }

  /// A launcher that starts two ranks, waits until the run has a state, and sends a signal to the
  /// ranks that the shell's pattern names.
  private func signalling(_ signal: String, _ ranks: String, _ launcher: Launcher) throws
    -> [String]
  {
    let script = try scratch.bytes(
      "signal.sh",
      Data(
        """
        "$@" & job=$!
        for _ in $(seq 600); do
          compgen -G '\(scratch.path)/runs/*/states/*' > /dev/null && break
          sleep 0.05
        done
        for pid in $(pgrep -f '\(scratch.path)/runs'); do
          [ "$(basename "$(readlink /proc/$pid/exe)")" = restormer ] || continue
          rank=$(tr '\\0' '\\n' < /proc/$pid/environ | sed -n 's/^\\(OMPI_COMM_WORLD_RANK\\|PMI_RANK\\)=//p')
          case "$rank" in \(ranks)) kill -\(signal) $pid;; esac
        done
        wait $job

        """.utf8))
    return ["timeout", "60", "bash", script] + launcher.ranks(2)
  }

  private func weights(_ name: String) throws -> [Float] {
    try ModelWeights(contentsOf: scratch.file("runs/\(name)/models/final.safetensors")).values
  }

  func testAKilledRankEndsTheJobInALineAndTheRunGoesOnBitForBit() throws {
    try Launcher.withEach { launcher in
      let (name, whole) = (launcher.name, "\(launcher.name)-whole")
      let killed = try Program.run(
        train(name, steps: 2000), launcher: signalling("KILL", "1", launcher))
      XCTAssertNotEqual(killed.status, 0)
      XCTAssertNotEqual(killed.status, 124, "the job hangs")
      XCTAssertEqual(killed.faults.count, 1, killed.errors)
      XCTAssertTrue(killed.faults.first?.contains("rank 1 on ") ?? false, killed.errors)
      let state = try XCTUnwrap(newestState(name))
      let steps = state + 10
      let again = try Program.run(train(name, steps: steps), launcher: launcher.ranks(2))
      XCTAssertEqual(again.status, 0, again.errors)
      XCTAssertTrue(again.errors.contains("going on after step \(state)"), again.errors)
      let reference = try Program.run(train(whole, steps: steps), launcher: launcher.ranks(2))
      XCTAssertEqual(reference.status, 0, reference.errors)
      XCTAssertEqual(try weights(name), try weights(whole))
    }
  }

  /// The step of the newest state.
  private func newestState(_ name: String) -> Int? {
    scratch.names(in: "runs/\(name)/states").compactMap { file in
      Int(file.filter(\.isNumber))
    }.max()
  }

  func testRanksThatAreAskedToStopSaveTogether() throws {
    try Launcher.withEach { launcher in
      for more in [[], ["--shard-optimizer"]] {
        let name = "\(launcher.name)\(more.count)"
        let stopped = try Program.run(
          train(name, steps: 2000) + more, launcher: signalling("TERM", "*", launcher))
        XCTAssertEqual(stopped.status, 0, stopped.errors)
        XCTAssertTrue(stopped.errors.contains("stopped and saved"), stopped.errors)
        let state = try XCTUnwrap(newestState(name))
        XCTAssertTrue(
          stopped.errors.contains("finishing the step, then saving") && state % 10 != 0
            || state > 0,
          stopped.errors)
      }
    }
  }
}
