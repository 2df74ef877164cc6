import Foundation
import Restormer
import TestSupport
import XCTest

/// The command line of `train` over an options file: what it replaces and what it leaves.
final class TrainingOptionsTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    for part in ["input", "target", "inputL", "inputR"] {
      try scratch.picture("data/\(part)/a.png", 24, 24)
    }
  }

  override func tearDown() { scratch = nil }

  private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Examples/options").standardized.path

  /// The options of a run of one step.
  private func options(_ file: String, _ flags: [String] = []) throws -> TrainingOptions {
    let run = try Program.run(
      [
        "train", "--options", "\(Self.examples)/\(file).yml", "--data", scratch.file("data"),
        "--val", scratch.file("data"), "--preset", "tiny", "--steps", "1", "--patch", "16",
        "--batch", "2", "--device", "cpu", "--experiments", scratch.file("runs"),
      ] + flags)
    XCTAssertEqual(run.status, 0, run.errors)
    return try TrainingOptions(contentsOf: scratch.file("runs/\(file)/options.yml"))
  }

  func testAPresetChangesTheSizeOfTheNetworkNotItsTask() throws {
    let gray = try options("denoising-gaussian-gray")
    XCTAssertEqual(
      [gray.model.inputChannels, gray.model.outputChannels, gray.model.dim], [1, 1, 16])
    XCTAssertEqual(gray.model.normalization, .biasFree)
    let views = try options("defocus-dual-pixel")
    XCTAssertTrue(views.model.dualPixel)
    XCTAssertEqual([views.model.inputChannels, views.model.dim], [6, 16])
    XCTAssertEqual(views.data.right, scratch.file("data/inputR"))
    XCTAssertEqual(views.validation?.right, scratch.file("data/inputR"))
  }

  func testAnotherDataFolderKeepsTheNoise() throws {
    let colour = try options("denoising-gaussian-color")
    XCTAssertEqual(colour.data.noise?.level, .random(from: 0, to: 50))
    XCTAssertEqual(colour.data.input, scratch.file("data"))
    XCTAssertNil(colour.data.target)
    // Pairs to validate on are taken as they are.
    XCTAssertNil(colour.validation?.noise)
  }

  func testFlagsReplaceWhatTheFileSays() throws {
    let found = try options(
      "denoising-real",
      [
        "--optimizer", "sgd", "--momentum", "0.8", "--lr", "0.01", "--weight-decay", "0.1",
        "--loss", "mse", "--clip", "0", "--mixup", "0", "--ema", "0.5", "--warmup", "3", "--keep",
        "4", "--accumulate", "2", "--seed", "7", "--schedule", "constant", "--val-every", "9",
        "--save-every", "5", "--save-minutes", "2", "--recompute", "on", "--normalize", "0.5,0.5",
      ])
    XCTAssertEqual(found.optimizer.kind, .sgd)
    XCTAssertEqual([found.optimizer.momentum, found.optimizer.weightDecay], [0.8, 0.1])
    XCTAssertEqual(found.rate, LearningRate(base: 0.01, schedule: .constant, warmUp: 3))
    XCTAssertEqual(found.loss, .mse)
    XCTAssertNil(found.clip)
    XCTAssertNil(found.mixup)
    XCTAssertEqual(found.averageDecay, 0.5)
    XCTAssertEqual([found.keptCheckpoints, found.accumulate, Int(found.seed)], [4, 2, 7])
    XCTAssertEqual([found.validationInterval, found.checkpointInterval], [9, 5])
    XCTAssertEqual(found.checkpointMinutes, 2)
    XCTAssertEqual(found.recompute, .on)
    XCTAssertEqual(found.normalization, .symmetric)
    XCTAssertEqual(found.stages, [.init(steps: 1, patch: 16, batch: 2)])
  }
}
