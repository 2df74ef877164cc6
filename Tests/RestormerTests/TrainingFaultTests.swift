import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Runs that meet damaged states, lost files, full disks and diverging weights.
final class TrainingFaultTests: TrainingRunCase {
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

  /// Who removed the states of a finished run to make room has its weights still.
  func testAFinishedRunWithoutStatesIsNotBegunAnew() throws {
    try run(options("cleared"))
    let weights = try finalWeights("cleared")
    let states = "\(folder)/cleared/states"
    for state in try names(states, ending: ".state") {
      try FileManager.default.removeItem(atPath: "\(states)/\(state)")
    }
    XCTAssertThrowsError(try run(options("cleared"))) {
      XCTAssertTrue("\($0)".contains("models/final.safetensors") && "\($0)".contains("--name"))
    }
    XCTAssertEqual(try finalWeights("cleared"), weights)
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

  func testStatesOfAnotherNetworkAreRefused() throws {
    try run(options("network"), stopAfter: 1)
    var other = options("network")
    other.model.bias = true
    XCTAssertThrowsError(try run(other)) {
      XCTAssertTrue("\($0)".contains("another network"), "\($0)")
    }
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
