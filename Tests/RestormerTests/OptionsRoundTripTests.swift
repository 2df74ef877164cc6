import Foundation
import Restormer
import XCTest

/// What a run writes to its `options.yml` is read back as the same options.
final class OptionsRoundTripTests: XCTestCase {
  private func reread(_ options: TrainingOptions) throws -> TrainingOptions {
    let path = NSTemporaryDirectory() + "options-\(UUID().uuidString).yml"
    defer { unlink(path) }
    try Data(options.yaml.utf8).write(to: URL(fileURLWithPath: path))
    return try TrainingOptions(contentsOf: path)
  }

  func testDefaultsComeBack() throws {
    let options = TrainingOptions()
    XCTAssertEqual(try reread(options), options)
  }

  func testEveryFieldComesBack() throws {
    var options = TrainingOptions()
    options.name = "a \"run\" of \\ 3e-4"
    options.model = .tiny
    options.model.bias = true
    options.model.normalization = .biasFree
    options.pretrained = "weights: of, [an] older.pth"
    options.pretrainedKey = "params_ema"
    options.data = DataFolders(input: "on", target: "1.5")
    options.data.nameTemplate = "{}_blur"
    options.validation = DataFolders(target: "./~/clean #1")
    options.validation?.noise = try GaussianNoise(.constant(25))
    options.stages = [.init(steps: 7, patch: 32, batch: 3), .init(steps: 9, patch: 64, batch: 1)]
    (options.accumulate, options.loss, options.lossWeight) = (3, .charbonnier, 0.5)
    options.optimizer = OptimizerOptions(.sgd)
    options.optimizer.momentum = 0.85
    options.rate = LearningRate(base: 1e-5, schedule: .cosine(period: 77, minimum: 1e-9), warmUp: 5)
    (options.clip, options.averageDecay) = (1e-2, 0.999)
    (options.augment, options.shuffle) = (false, false)
    options.mixup = Mixup(beta: 0.7, identity: true)
    options.normalization = try ImageNormalization(
      checkingMean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 1e-3])
    (options.seed, options.recompute) = (UInt64(Int.max), .on)
    (options.validationInterval, options.checkpointInterval) = (12, 34)
    (options.keptCheckpoints, options.checkpointMinutes) = (5, 2.5)
    (options.scoring.psnr.luma, options.scoring.ssim.border) = (true, 3)
    XCTAssertEqual(try reread(options), options)
  }

  func testDualPixelAndNoiseRangesComeBack() throws {
    var options = TrainingOptions()
    (options.model.inputChannels, options.model.dualPixel) = (6, true)
    options.data = DataFolders(input: "left", target: "clean")
    options.data.right = "right"
    options.rate.schedule = .restartCyclic(
      cycles: [
        .init(period: 5, weight: 1, minimum: 1e-4), .init(period: 9, weight: 0.5, minimum: 1e-7),
      ])
    XCTAssertEqual(try reread(options), options)
    for level in [
      GaussianNoise.Level.random(from: 0, to: 50), .choice([15, 25, 50]), .constant(7.5),
    ] {
      var denoising = TrainingOptions()
      denoising.data = DataFolders(target: "clean")
      denoising.data.noise = try GaussianNoise(level)
      denoising.recompute = .off
      XCTAssertEqual(try reread(denoising), denoising)
    }
  }
}
