import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Whole runs: resumption, changed options, what is recorded.
final class TrainingRunTests: TrainingRunCase {
  func testAResumedRunIsBitIdentical() throws {
    try run(options("straight"))
    for stop in [1, 3, 2] { try run(options("resumed"), stopAfter: stop) }
    let notes = try run(options("resumed"))
    XCTAssertTrue(notes.contains("going on after step 6"), "\(notes)")
    XCTAssertEqual(try finalWeights("resumed"), try finalWeights("straight"))
    for file in ["metrics.csv", "models/best.safetensors", "samples/0.png"] {
      let found = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/resumed/\(file)"))
      let expected = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/straight/\(file)"))
      XCTAssertEqual(found, expected, file)
    }
  }

  func testChangedOptionsAreNamed() throws {
    try run(options("changed"), stopAfter: 2)
    var other = options("changed")
    other.rate.base = 2e-3
    other.loss = .mse
    let notes = try run(other, stopAfter: 1)
    XCTAssertTrue(notes.contains("changed option train.optim_g.lr: 0.001 -> 0.002"), "\(notes)")
    XCTAssertTrue(
      notes.contains("changed option train.pixel_opt.type: L1Loss -> MSELoss"), "\(notes)")
  }

  /// The moments of one rule are of no use to another: a first step of AdamW with a count of 4 and
  /// moments of SGD would be thirty times too long.
  func testAnotherOptimizerStartsItsMomentsAnew() throws {
    var slow = options("rule")
    slow.optimizer = OptimizerOptions(.sgd)
    (slow.averageDecay, slow.validation) = (nil, nil)
    try run(slow, stopAfter: 4)
    let before = try weights("rule", "latest")
    var other = slow
    other.optimizer = OptimizerOptions()
    other.rate = LearningRate(base: 1e-3)
    let notes = try run(other, stopAfter: 1)
    XCTAssertTrue(notes.contains("changed option train.optim_g.type: SGD -> AdamW"), "\(notes)")
    XCTAssertTrue(notes.contains("another optimizer: its moments start from zero"), "\(notes)")
    let moved = zip(try weights("rule", "latest"), before).map { abs($0 - $1) }
    // The first step of AdamW moves every parameter by at most the rate, apart from its decay.
    XCTAssertLessThan(try XCTUnwrap(moved.max()), 1.1e-3)
    XCTAssertGreaterThan(try XCTUnwrap(moved.max()), 0.9e-3)
  }

  func testFewerStepsThanAreDoneStillGiveFinalWeights() throws {
    try run(options("shorter"), stopAfter: 6)
    var shorter = options("shorter")
    shorter.setTotal(5)
    let notes = try run(shorter)
    XCTAssertTrue(notes.contains { $0.hasPrefix("6 steps are done, 5 are fewer") }, "\(notes)")
    XCTAssertEqual(try weights("shorter", "final"), try weights("shorter", "latest"))
  }

  /// A request to stop is heard between two validation images; the validation is made up for when
  /// the run goes on.
  func testAValidationIsBrokenOff() throws {
    try run(options("straight"))
    var (steps, asked, validations) = (0, 0, 0)
    func trainer() throws -> Trainer<CPUBackend> {
      try Trainer(options("broken-off"), experiments: folder, on: CPUBackend()) { event in
        if case .step = event { steps += 1 }
        if case .validation = event { validations += 1 }
      }
    }
    let end = try trainer().run {
      asked += steps == 4 ? 1 : 0
      return asked > 3
    }
    XCTAssertEqual(end, .stopped)
    XCTAssertEqual([steps, validations], [4, 0])
    XCTAssertEqual(try trainer().run { true }, .stopped)
    XCTAssertEqual([steps, validations], [4, 0])
    XCTAssertEqual(try trainer().run { false }, .finished)
    XCTAssertEqual([steps, validations], [8, 2])
    let logs = try ["broken-off", "straight"].map {
      try Data(contentsOf: file("\(folder)/\($0)/metrics.csv"))
    }
    XCTAssertEqual(logs[0], logs[1])
  }

  /// The end of the run ends its last epoch: its losses are recorded too.
  func testTheLastEpochIsRecorded() throws {
    var short = options("epoch")
    short.stages = [.init(steps: 3, patch: 16, batch: 1)]
    (short.validation, short.accumulate) = (nil, 1)
    try run(short)
    let rows = try String(contentsOfFile: "\(folder)/epoch/metrics.csv", encoding: .utf8)
      .split(separator: "\n")
    XCTAssertEqual(rows.count, 2)
    let fields = rows[1].split(separator: ",", omittingEmptySubsequences: false)
    XCTAssertEqual(fields[0], "3")
    XCTAssertEqual(fields[1], "1")
    XCTAssertGreaterThan(try XCTUnwrap(Double(fields[3])), 0)
    XCTAssertGreaterThan(try XCTUnwrap(Double(fields[4])), 0)
  }

  /// Weights of more steps than are asked for must not pass for theirs.
  func testFewerStepsThanAreDoneAreRefused() throws {
    try run(options("done"))
    try run(options("done"))
    var fewer = options("done")
    fewer.stages[1].steps = 2
    XCTAssertThrowsError(try run(fewer)) {
      XCTAssertTrue("\($0)".contains("done: finished after step 8, 6 (--steps) are fewer"), "\($0)")
    }
  }

  /// The state holds everything: weights that a run began with may be gone when it goes on.
  func testARunGoesOnWithoutItsPretrainedWeights() throws {
    try run(options("teacher"))
    var pupil = options("pupil")
    pupil.pretrained = "\(folder)/teacher/models/final.safetensors"
    try run(pupil)
    var orphan = pupil
    orphan.name = "orphan"
    try run(orphan, stopAfter: 3)
    try FileManager.default.removeItem(atPath: "\(folder)/teacher")
    let notes = try run(orphan)
    XCTAssertTrue(notes.contains("going on after step 3"), "\(notes)")
    XCTAssertEqual(try finalWeights("orphan"), try finalWeights("pupil"))
    orphan.name = "new"
    XCTAssertThrowsError(try run(orphan)) {
      XCTAssertTrue("\($0)".contains("teacher/models/final.safetensors"), "\($0)")
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: "\(folder)/new"))
  }

  /// States are ordered by their steps, however many digits they have; another name is none.
  func testStatesAreOrderedByTheirSteps() throws {
    let run = try RunFolder("\(folder)/many")
    for name in ["999999999", "1000000000", "000000007", "copy"] {
      try Data().write(to: file("\(run.path)/states/\(name).state"))
    }
    XCTAssertEqual(
      run.states.map { ($0 as NSString).lastPathComponent },
      ["1000000000.state", "999999999.state", "000000007.state"])
  }

  func testTrainingLowersTheLoss() throws {
    var long = options("long")
    long.stages = [.init(steps: 60, patch: 24, batch: 2)]
    long.rate = LearningRate(base: 3e-3)
    (long.mixup, long.validation, long.averageDecay) = (nil, nil, nil)
    var losses: [Double] = []
    let trainer = try Trainer(long, experiments: folder, on: CPUBackend()) { event in
      if case .step(let report) = event { losses.append(report.losses.l1) }
    }
    _ = try trainer.run { false }
    let (first, last) = (losses.prefix(10).reduce(0, +), losses.suffix(10).reduce(0, +))
    XCTAssertLessThan(last, 0.9 * first)
  }
}
