import Foundation
import Restormer
import TestSupport
import XCTest

/// A small sweep for tests.
enum SweepFolder {
  static let file = """
    base: {preset: tiny, patch: 16, batch: 1, steps: 6, val-every: 2, save-every: 1}
    grid:
      loss: [l1, mse]
      optimizer:
        - adamw
        - sgd: {lr: 1e-2}

    """

  /// The command line of a sweep of `text` over five pairs.
  static func arguments(_ scratch: Scratch, _ text: String = file) throws -> [String] {
    let data = try scratch.pairs()
    return [
      "train", "--sweep", try scratch.bytes("small.yml", Data(text.utf8)), "--data", data, "--val",
      data, "--experiments", scratch.file("runs"), "--device", "cpu",
    ]
  }

  /// Does the sweep and gives its folder.
  static func make(_ scratch: Scratch, name: String = "small") throws -> String {
    let run = try Program.run(arguments(scratch) + ["--name", name])
    XCTAssertEqual(run.status, 0, run.errors)
    return scratch.file("runs/\(name)")
  }
}

/// `restormer train --sweep` from outside.
final class SweepTests: XCTestCase {
  private func rows(_ scratch: Scratch) throws -> [String] {
    try String(contentsOfFile: scratch.file("runs/small/sweep.csv"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  func testEveryCombinationIsTrainedOnce() throws {
    let scratch = try Scratch()
    let folder = try SweepFolder.make(scratch)
    let names = [
      "loss=l1,optimizer=adamw", "loss=l1,optimizer=sgd", "loss=mse,optimizer=adamw",
      "loss=mse,optimizer=sgd",
    ]
    XCTAssertEqual(
      scratch.names(in: "runs/small"),
      names + ["sweep.csv", "sweep.md", "sweep.svg", "times.csv"])
    for name in names {
      let options = try TrainingOptions(contentsOf: "\(folder)/\(name)/options.yml")
      XCTAssertEqual(options.loss.rawValue, name.contains("l1") ? "l1" : "mse")
      XCTAssertEqual(options.optimizer.kind, name.contains("sgd") ? .sgd : .adamw)
      XCTAssertEqual(options.rate.base, name.contains("sgd") ? 1e-2 : 3e-4)
      XCTAssertEqual(options.totalSteps, 6)
    }
    let table = try rows(scratch)
    XCTAssertEqual(
      table[0],
      "run,loss,optimizer,steps,psnr,ssim,l1,l2,best_psnr,best_step,seconds,state")
    XCTAssertEqual(table.count, 5)
    // Behind the quoted name with its comma come loss, optimizer, steps and PSNR, the best run
    // first.
    let scores = table.dropFirst().map { $0.split(separator: ",").map(String.init) }
    XCTAssertEqual(scores.map { $0[4] }, ["6", "6", "6", "6"])
    let psnr = scores.compactMap { Double($0[5]) }
    XCTAssertEqual(psnr, psnr.sorted(by: >))
    XCTAssertEqual(psnr.count, 4)
    XCTAssertTrue(table.dropFirst().allSatisfy { $0.hasSuffix(",finished") })
    let again = try Program.run(SweepFolder.arguments(scratch))
    XCTAssertEqual(again.errors.components(separatedBy: "finished before").count, 5, again.errors)
    XCTAssertFalse(again.errors.contains("saved after"), again.errors)
    XCTAssertEqual(try rows(scratch), table)
  }

  /// A sweep that was stopped goes on in the middle of a run, and ends as if nothing had happened.
  func testAStoppedSweepGoesOn() throws {
    let (scratch, whole) = (try Scratch(), try Scratch())
    let file = """
      base: {preset: tiny, patch: 16, batch: 1, steps: 3, val-every: 3}
      grid: {loss: [l1, mse]}

      """
    let arguments = try SweepFolder.arguments(scratch, file)
    let stopped = try Program.run(arguments + ["--max-minutes", "0"])
    XCTAssertEqual(stopped.status, 0, stopped.errors)
    XCTAssertTrue(stopped.errors.contains("0 of 2 runs finished"), stopped.errors)
    XCTAssertTrue(try rows(scratch).contains { $0.hasSuffix("stopped after step 1") })
    XCTAssertEqual(try rows(scratch).filter { $0.hasSuffix(",waiting") }.count, 1)
    let resumed = try Program.run(arguments)
    XCTAssertTrue(resumed.errors.contains("going on after step 1"), resumed.errors)
    _ = try Program.run(SweepFolder.arguments(whole, file))
    for name in ["loss=l1", "loss=mse"] {
      let weights = try [scratch, whole].map {
        try Data(
          contentsOf: URL(
            fileURLWithPath: $0.file("runs/small/\(name)/models/final.safetensors")))
      }
      XCTAssertEqual(weights[0], weights[1], name)
    }
  }

  /// One run cannot be done: the others are, it is named, and the exit code says so.
  func testAFailingRunStopsNoOther() throws {
    let scratch = try Scratch()
    try scratch.picture("empty/input/a.png", 16, 16)
    let text = """
      base: {preset: tiny, patch: 16, batch: 1, steps: 2, val-every: 2}
      grid:
        data: [\(scratch.file("empty")), \(scratch.file("data"))]

      """
    let arguments = try SweepFolder.arguments(scratch, text).filter { $0 != "--data" }
    let data = try XCTUnwrap(arguments.firstIndex(of: scratch.file("data")))
    let run = try Program.run(arguments.enumerated().filter { $0.offset != data }.map(\.element))
    XCTAssertEqual(run.status, 1, run.errors)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.fault.contains("empty: no folders"), run.errors)
    XCTAssertTrue(run.errors.contains("1 of 2 runs finished"), run.errors)
    XCTAssertEqual(
      try rows(scratch).filter { $0.contains(",failed: ") || $0.contains("\"failed: ") }.count, 1)
  }

  /// Two sweeps on one folder would write each other's tables.
  func testASecondSweepOnTheFolderIsRefused() throws {
    let scratch = try Scratch()
    let arguments = try SweepFolder.arguments(scratch)
    let folder = scratch.file("runs/small")
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    let lock = open(folder, O_RDONLY)
    XCTAssertEqual(flock(lock, LOCK_EX | LOCK_NB), 0)
    let run = try Program.run(arguments)
    close(lock)
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.faults, ["error: \(folder): another run is using this folder"])
    XCTAssertEqual(scratch.names(in: "runs/small"), [])
  }

  /// Runs that are finished do not pass for those of other options.
  func testOtherOptionsDoNotTakeOverFinishedRuns() throws {
    let scratch = try Scratch()
    let text = """
      base: {preset: tiny, patch: 16, batch: 1, steps: 1, val-every: 1}
      grid: {loss: [l1]}

      """
    XCTAssertEqual(try Program.run(SweepFolder.arguments(scratch, text)).status, 0)
    let again = try Program.run(SweepFolder.arguments(scratch, text) + ["--lr", "0.1"])
    XCTAssertEqual(again.status, 1, again.errors)
    XCTAssertTrue(
      again.faults.first?.contains("train.optim_g.lr: 0.0003 -> 0.1") ?? false, again.errors)
    XCTAssertTrue(try rows(scratch).contains { $0.contains("failed: ") })
  }

  func testFaultsOfTheFileAreOneLineAndTrainNothing() throws {
    let scratch = try Scratch()
    for (text, part) in [
      ("grid: {los: [l1]}", "unknown key grid.los, did you mean loss?"),
      ("grid: {loss: [l1], weight_decay: [0]}", "did you mean weight-decay?"),
      (
        "base: {optimiser: sgd}\ngrid: {loss: [l1]}",
        "unknown key base.optimiser, did you mean optimizer?"
      ),
      ("girds: {loss: [l1]}", "unknown key girds, expected name, base or grid"),
      ("name: [a]\ngrid: {loss: [l1]}", "name: expected a text"),
      ("name: ../a\ngrid: {loss: [l1]}", "name '../a', expected one for a folder"),
      ("base: {pretrained: none.pth}\ngrid: {loss: [l1, mse]}", "none.pth: no such file"),
      ("base: {steps: 4}", "no grid"), ("grid: {loss: []}", "grid.loss: no values"),
      ("grid: [", "small.yml"), ("", "no sweep in it"),
      ("grid: {loss: [l3]}", "loss=l3"),
      ("grid: {patch: [17]}", "patch 17, expected a multiple of 8"),
      ("grid: {loss: [l1, l1]}", "two runs would be named 'loss=l1'"),
      ("base: {loss: l1}\ngrid: {loss: [l1]}", "loss stands under base and under grid"),
      ("grid: {loss: [{l1: 3}]}", "grid.loss.l1: expected 'option: value' lines"),
    ] {
      let run = try Program.run(SweepFolder.arguments(scratch, text + "\n"))
      XCTAssertEqual(run.status, 1, text)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.faults.first?.contains(part) ?? false, run.errors)
      XCTAssertLessThanOrEqual(run.errors.split(separator: "\n").count, 2, run.errors)
    }
    for option in ["--data", "--val"] {
      let run = try Program.run(
        SweepFolder.arguments(scratch) + [option, scratch.file("nowhere")])
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.faults.first?.contains("nowhere: ") ?? false, run.errors)
    }
    let given = try Program.run(SweepFolder.arguments(scratch) + ["--loss", "l1"])
    XCTAssertTrue(given.errors.contains("--loss is in the grid"), given.errors)
    XCTAssertEqual(scratch.names(in: "runs"), [])
  }

  /// The shipped example, shortened.
  func testTheExampleRuns() throws {
    let scratch = try Scratch()
    try XCTSkipUnless(
      ProcessInfo.processInfo.environment["RESTORMER_SLOW_TESTS"] == "1",
      "RESTORMER_SLOW_TESTS=1 runs it")
    let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Examples/sweeps/first-choices.yml").standardized.path
    var arguments = try SweepFolder.arguments(scratch)
    arguments[2] = example
    let run = try Program.run(arguments + ["--steps", "1", "--patch", "16", "--batch", "1"])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("8 of 8 runs finished"), run.errors)
  }
}
