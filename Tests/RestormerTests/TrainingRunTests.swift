import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Whole runs on small generated pairs: resumption, damaged states, locks, lost files.
final class TrainingRunTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "restormer-run-\(UUID().uuidString)"
    var generator = SplitMix64(seed: 5)
    for part in ["input", "target"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/data/\(part)", withIntermediateDirectories: true)
    }
    for index in 0..<5 {
      let sharp = (0..<3 * 24 * 32).map { _ in Float(generator.next() % 2) }
      let blurred = sharp.indices.map { 0.5 * sharp[$0] + 0.5 * sharp[max(0, $0 - 1)] }
      for (part, pixels) in [("input", blurred), ("target", sharp)] {
        try Image(width: 32, height: 24, channels: 3, pixels: pixels).write(
          to: "\(folder)/data/\(part)/\(index).png", format: .png)
      }
    }
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func options(_ name: String) -> TrainingOptions {
    var options = TrainingOptions()
    options.name = name
    options.model.dim = 4
    options.model.blocks = [1, 1, 1, 1]
    options.model.refinementBlocks = 1
    options.model.heads = [1, 2, 2, 4]
    options.data = DataFolders(input: "\(folder)/data")
    options.validation = options.data
    options.stages = [.init(steps: 4, patch: 16, batch: 2), .init(steps: 4, patch: 24, batch: 1)]
    options.rate = LearningRate(base: 1e-3, schedule: .cosine(period: 8, minimum: 1e-6), warmUp: 2)
    (options.averageDecay, options.clip, options.mixup) = (0.9, 0.5, Mixup(identity: true))
    (options.checkpointInterval, options.validationInterval) = (1, 4)
    options.accumulate = 2
    return options
  }

  /// Runs until `stop` steps were done in this process; returns the notes.
  @discardableResult
  private func run(_ options: TrainingOptions, stopAfter stop: Int = .max) throws -> [String] {
    var (notes, steps) = ([String](), 0)
    let trainer = try Trainer(options, experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
      if case .step = event { steps += 1 }
    }
    _ = try trainer.run { steps >= stop }
    return notes
  }

  private func finalWeights(_ name: String) throws -> [UInt32] {
    let state = try StateDict(contentsOf: "\(folder)/\(name)/models/final.safetensors")
    return state.tensors.flatMap { $0.values.map(\.bitPattern) }
  }

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

  func testADamagedNewestStateGivesWayToTheOneBefore() throws {
    try run(options("damaged"), stopAfter: 5)
    let states = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/damaged/states")
      .sorted()
    XCTAssertEqual(states.count, 2)
    let newest = "\(folder)/damaged/states/\(states[1])"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: newest))
    bytes[bytes.count / 2] ^= 0x10
    try bytes.write(to: URL(fileURLWithPath: newest))
    let notes = try run(options("damaged"))
    XCTAssertTrue(notes.contains { $0.contains(newest) && $0.contains("damaged") }, "\(notes)")
    XCTAssertTrue(notes.contains("going on after step 4"), "\(notes)")
    try run(options("whole"))
    XCTAssertEqual(try finalWeights("damaged"), try finalWeights("whole"))
  }

  /// Damaged states with high numbers must neither push whole ones out nor be passed over silently.
  func testDamagedStatesDoNotPushOutWholeOnes() throws {
    try run(options("aside"), stopAfter: 3)
    let folder = "\(self.folder)/aside/states"
    for step in [7, 8] { try Data([1, 2, 3]).write(to: file("\(folder)/00000000\(step).state")) }
    let notes = try run(options("aside"), stopAfter: 1)
    XCTAssertTrue(notes.contains("going on after step 3"), "\(notes)")
    XCTAssertEqual(try names(folder, ending: ".state"), ["000000003.state", "000000004.state"])
    XCTAssertEqual(try names(folder, ending: ".damaged").count, 2)
    for state in try names(folder, ending: ".state") {
      try Data([1, 2, 3]).write(to: file("\(folder)/\(state)"))
    }
    XCTAssertThrowsError(try run(options("aside"))) {
      XCTAssertTrue("\($0)".contains("no state of this run is whole"), "\($0)")
    }
  }

  private func file(_ path: String) -> URL { URL(fileURLWithPath: path) }

  private func names(_ folder: String, ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      .filter { $0.hasSuffix(ending) }
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

  private func weights(_ name: String, _ kind: String) throws -> [Float] {
    let state = try StateDict(contentsOf: "\(folder)/\(name)/models/\(kind).safetensors")
    return state.tensors.flatMap(\.values)
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

  /// Weights that were sent far away are neither what the run goes on from nor push sound ones out.
  func testDivergedWeightsAreNotGoneOnFrom() throws {
    var wild = options("wild")
    (wild.stages, wild.clip) = ([.init(steps: 40, patch: 16, batch: 1)], nil)
    (wild.validation, wild.averageDecay, wild.mixup) = (nil, nil, nil)
    // Six steps with no harm done, then one that sends the weights beyond all numbers.
    wild.rate = LearningRate(
      base: 1,
      schedule: .restartCyclic(cycles: [
        .init(period: 5, weight: 0, minimum: 1e-5), .init(period: 50, weight: 0, minimum: 1e6),
      ]))
    XCTAssertThrowsError(try run(wild)) {
      XCTAssertTrue("\($0)".hasSuffix("the state after step 6 is kept"), "\($0)")
    }
    XCTAssertEqual(
      try names("\(folder)/wild/states", ending: ".state").last, "000000006.state")
    wild.rate = LearningRate(base: 1e-5)
    let notes = try run(wild, stopAfter: 12)
    XCTAssertTrue(notes.contains("going on after step 6"), "\(notes)")
    XCTAssertTrue(try weights("wild", "latest").allSatisfy { abs($0) < 10 })
  }

  /// The whole folder goes while the run is under way: it ends, and what was learned is saved.
  func testALostFolderEndsTheRunWithItsStateSaved() throws {
    var lossy = options("gone")
    (lossy.validation, lossy.checkpointInterval) = (nil, 100)
    lossy.stages = [.init(steps: 1000, patch: 16, batch: 1)]
    let data = "\(folder)/moving"
    try FileManager.default.copyItem(atPath: "\(folder)/data", toPath: data)
    lossy.data = DataFolders(input: data)
    lossy.data.noise = nil
    var saved: [Int] = []
    let trainer = try Trainer(lossy, experiments: folder, on: CPUBackend(), cacheBytes: 0) {
      if case .step(let report) = $0, report.step == 3 { rename(data, data + "-away") }
      if case .saved(let step) = $0 { saved.append(step) }
    }
    XCTAssertThrowsError(try trainer.run { false }) {
      XCTAssertTrue("\($0)".contains("ten images in a row"), "\($0)")
    }
    XCTAssertGreaterThanOrEqual(try XCTUnwrap(saved.last), 3)
  }

  func testTwoRunsOnOneFolderAreRefused() throws {
    let first = try Trainer(options("locked"), experiments: folder, on: CPUBackend()) { _ in }
    XCTAssertThrowsError(try run(options("locked"))) {
      XCTAssertTrue("\($0)".contains("another run"), "\($0)")
    }
    _ = try first.run { true }
  }

  func testAFileLostMidRunIsNamedAndReplaced() throws {
    var notes: [String] = []
    var lossy = options("lost")
    lossy.validation = nil
    let path = "\(folder)/data/input/3.png"
    try FileManager.default.removeItem(atPath: path)
    XCTAssertThrowsError(try run(lossy)) { XCTAssertTrue("\($0)".contains("3.png"), "\($0)") }
    try FileManager.default.copyItem(atPath: "\(folder)/data/input/2.png", toPath: path)
    let trainer = try Trainer(lossy, experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
    }
    unlink(path)
    XCTAssertEqual(try trainer.run { false }, .finished)
    XCTAssertTrue(notes.contains { $0.contains("3.png") }, "\(notes)")
  }

  /// Saving fails from step 2 to 5; the run says so, goes on, and ends as if nothing had happened.
  func testFailedSavesDoNotEndTheRun() throws {
    try run(options("sound"))
    var (notes, done) = ([String](), 0)
    let states = "\(folder)/blocked/states"
    let trainer = try Trainer(options("blocked"), experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
      guard case .step = event else { return }
      done += 1
      if done == 2 {
        rename(states, states + "-away")
        _ = FileManager.default.createFile(atPath: states, contents: nil)
      } else if done == 6 {
        unlink(states)
        rename(states + "-away", states)
      }
    }
    XCTAssertEqual(try trainer.run { false }, .finished)
    XCTAssertEqual(notes.filter { $0.contains("cannot be saved") }.count, 4, "\(notes)")
    XCTAssertTrue(notes.contains { $0.contains("the state after step 1 is kept") }, "\(notes)")
    XCTAssertEqual(try finalWeights("blocked"), try finalWeights("sound"))
  }

  func testAValidationImageLostMidRunIsNamedAndLeftOut() throws {
    let held = "\(folder)/held"
    try FileManager.default.copyItem(atPath: "\(folder)/data", toPath: held)
    var validated = options("held")
    validated.validation = DataFolders(input: held)
    var (notes, validations) = ([String](), 0)
    let trainer = try Trainer(validated, experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
      if case .validation = event { validations += 1 }
    }
    unlink("\(held)/target/1.png")
    XCTAssertEqual(try trainer.run { false }, .finished)
    XCTAssertEqual(validations, 2)
    XCTAssertEqual(notes.filter { $0.contains("target/1.png") }.count, 1, "\(notes)")
  }

  /// Nothing is allocated for a step that cannot fit: the error names what would.
  func testAStepTooLargeForTheDeviceNamesWhatWouldFit() throws {
    var huge = options("huge")
    huge.stages = [.init(steps: 1, patch: 2048, batch: 4000)]
    let backend = CPUBackend()
    XCTAssertThrowsError(try Trainer(huge, experiments: folder, on: backend) { _ in }) {
      let text = "\($0)"
      XCTAssertTrue(text.hasPrefix("patch 2048, batch 4000 needs "), text)
      XCTAssertTrue(text.contains("; this device offers "), text)
      XCTAssertTrue(text.contains("; with recompute "), text)
      XCTAssertTrue(text.hasSuffix(" would fit"), text)
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: "\(folder)/huge"))
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

  /// What cannot be saved is named, and nothing is said to be kept that is not.
  func testFailedSavesNameWhatIsKept() throws {
    var notes: [String] = []
    var blocked = options("unsaved")
    (blocked.stages, blocked.validation) = ([.init(steps: 3, patch: 16, batch: 1)], nil)
    let models = "\(folder)/unsaved/models"
    let states = "\(folder)/unsaved/states"
    func block(_ path: String) {
      rename(path, path + "-away")
      try? Data().write(to: file(path))
    }
    func free(_ path: String) {
      unlink(path)
      rename(path + "-away", path)
    }
    let trainer = try Trainer(blocked, experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
      guard case .step(let report) = event else { return }
      if report.step == 1 { block(states) }
      if report.step == 2 {
        free(states)
        block(models)
      }
      if report.step == 3 { free(models) }
    }
    XCTAssertEqual(try trainer.run { false }, .finished)
    let failures = notes.filter { $0.contains("cannot be saved") }
    XCTAssertEqual(failures.count, 2, "\(notes)")
    XCTAssertTrue(failures[0].hasPrefix("the state after step 1 cannot"), "\(failures)")
    XCTAssertTrue(failures[0].hasSuffix("no state is kept"), "\(failures)")
    XCTAssertTrue(failures[1].hasPrefix("the weights after step 2 cannot"), "\(failures)")
    XCTAssertTrue(failures[1].hasSuffix("the state after step 2 is kept"), "\(failures)")
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

  func testStatesOfAnotherNetworkAreRefused() throws {
    try run(options("network"), stopAfter: 1)
    var other = options("network")
    other.model.bias = true
    XCTAssertThrowsError(try run(other)) {
      XCTAssertTrue("\($0)".contains("another network"), "\($0)")
    }
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

  /// Data without a finite value: steps are skipped and named, ten in a row end the run.
  func testStepsWithoutAFiniteGradientAreSkipped() throws {
    var broken = options("broken")
    broken.stages = [.init(steps: 20, patch: 16, batch: 1)]
    broken.normalization = try ImageNormalization(checkingMean: [0], std: [1e-38])
    broken.validation = nil
    var notes: [String] = []
    let trainer = try Trainer(broken, experiments: folder, on: CPUBackend()) { event in
      if case .note(let text) = event { notes.append(text) }
    }
    XCTAssertThrowsError(try trainer.run { false }) {
      XCTAssertTrue("\($0)".contains("ten steps in a row"), "\($0)")
    }
    XCTAssertEqual(notes.filter { $0.contains("skipped") }.count, 10)
  }
}
