import Foundation
import Restormer
import XCTest

final class OptionsFileTests: XCTestCase {
  private func options(_ text: String) throws -> TrainingOptions {
    let path = NSTemporaryDirectory() + "options-\(UUID().uuidString).yml"
    defer { unlink(path) }
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return try TrainingOptions(contentsOf: path)
  }

  func testShippedFilesAreRead() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Examples/options").standardized.path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    XCTAssertGreaterThanOrEqual(files.count, 8)
    for file in files {
      let options = try TrainingOptions(contentsOf: "\(folder)/\(file)")
      XCTAssertNil(options.fault, file)
      XCTAssertEqual(try self.options(options.yaml), options, file)
      if file != "document-deblurring.yml", !file.hasPrefix("bundled-model") {
        XCTAssertEqual(options.totalSteps, 300_000, file)
        XCTAssertEqual(options.stages.map(\.patch), [128, 160, 192, 256, 320, 384], file)
        XCTAssertEqual(options.rate.rate(step: 0), 3e-4, accuracy: 1e-12, file)
        XCTAssertEqual(options.model.dim, 48, file)
      }
    }
  }

  func testUnknownKeysSuggestTheNearest() {
    XCTAssertThrowsError(try options("train:\n  optim_g:\n    weight_decya: 0.1\n")) {
      XCTAssertTrue(
        "\($0)".hasSuffix("unknown key train.optim_g.weight_decya, did you mean weight_decay?"),
        "\($0)")
    }
    for (text, known) in [
      ("train:\n  lr: 0.1\n", "train.optim_g.lr"), ("network: 1\n", "network_g"),
      ("datasets:\n  train:\n    gt_sise: 8\n", "gt_size"), ("T_max: 5\n", "train.scheduler.T_max"),
    ] {
      XCTAssertThrowsError(try options(text)) {
        XCTAssertTrue("\($0)".hasSuffix("did you mean \(known)?"), "\($0)")
      }
    }
  }

  func testTheKeyOfPretrainedWeightsIsKept() throws {
    let options = try options(
      "path:\n  pretrain_network_g: a.pth\n  param_key: params_ema\n")
    XCTAssertEqual(options.pretrainedKey, "params_ema")
    XCTAssertEqual(try self.options(options.yaml).pretrainedKey, "params_ema")
  }

  func testValuesOfTheWrongKindAreNamed() {
    for (text, part) in [
      ("network_g:\n  dim: wide\n", "network_g.dim: wide, expected a whole number"),
      ("network_g:\n  dim: 7\n", "dim is 7"),
      ("train:\n  scheduler:\n    type: StepLR\n", "train.scheduler.type: 'StepLR'"),
      ("datasets: [1\n", "yml"), ("datasets: [1]\n", "datasets: [1], expected a section"),
      ("- name\n", "no options"), ("", "no options"), ("name: a/b\n", "name 'a/b'"),
      ("path:\n  resume_state: x.state\n", "path.resume_state: 'x.state'"),
      ("train:\n  pixel_opt:\n    reduction: sum\n", "train.pixel_opt.reduction: 'sum'"),
      ("train:\n  pixel_opt: {type: CharbonnierLoss, eps: 0.1}\n", "train.pixel_opt.eps: 0.1"),
      ("datasets:\n  train:\n    meta_info_file: list.txt\n", "meta_info_file: 'list.txt'"),
      ("train:\n  optim_g: {weight_decay: -1}\n", "weight decay -1.0, expected at least 0"),
      ("train:\n  optim_g: {type: SGD, momentum: 1.5}\n", "momentum 1.5"),
      ("train:\n  optim_g: {eps: 0}\n", "eps 0.0, expected above 0"),
      ("train:\n  mixing_augs: {mixup: true, mixup_beta: 0}\n", "mixup 0.0"),
      ("datasets:\n  train:\n    mean: [0.5, 0.5]\n", "2 numbers of mean and std for 3 channels"),
      ("datasets:\n  train:\n    gt_sizes: [64]\n", "gt_sizes, iters and mini_batch_sizes"),
      ("datasets:\n  train:\n    sigma_type: random\n    sigma_range: 5\n", "sigma_range"),
      ("datasets:\n  train:\n    sigma_type: wild\n", "sigma_type: 'wild'"),
    ] {
      XCTAssertThrowsError(try options(text), text) {
        XCTAssertTrue("\($0)".contains(part), "\($0)")
        XCTAssertFalse("\($0)".contains("\n"), "\($0)")
      }
    }
  }

  func testPublishedKeysAreHonoured() throws {
    let read = try options(
      """
      datasets:
        train:
          dataroot_gt: clean
          use_shuffle: false
          sigma_type: choice
          sigma_range: [15, 25, 50]
          mean: [0.5, 0.5, 0.5]
        val:
          dataroot_gt: held
          sigma_test: 25
      train:
        total_iter: !!float 3e3
        use_grad_clip: true
        recompute: on
        scheduler:
          type: TrueCosineAnnealingLR
          T_max: 3000
          eta_min: !!float 1e-6
        mixing_augs:
          mixup: true
          mixup_beta: 1.3
          use_identity: true
        optim_g:
          type: SGD
        pixel_opt:
          type: CharbonnierLoss
          loss_weight: 0.5
      path:
        resume_state: ~
      """)
    XCTAssertEqual(read.data.noise, try GaussianNoise(.choice([15, 25, 50])))
    XCTAssertEqual(read.validation?.noise, try GaussianNoise(.constant(25)))
    XCTAssertEqual(read.normalization.mean, [0.5, 0.5, 0.5])
    XCTAssertEqual(read.normalization.std, [1, 1, 1])
    XCTAssertEqual(read.totalSteps, 3000)
    XCTAssertEqual(read.clip, 0.01)
    XCTAssertEqual(read.recompute, .on)
    XCTAssertFalse(read.shuffle)
    XCTAssertEqual(read.rate.schedule, .cosine(period: 3000, minimum: 1e-6))
    XCTAssertEqual(read.mixup, Mixup(beta: 1.3, identity: true))
    XCTAssertEqual(read.optimizer.weightDecay, 0)
    XCTAssertEqual(read.loss, .charbonnier)
    XCTAssertEqual(read.lossWeight, 0.5)
  }

  func testRatesWithoutADotAreNumbers() throws {
    let read = try options(
      "train:\n  optim_g:\n    type: AdamW\n    lr: 3e-4\n    betas: [0.9, 0.99]\n")
    XCTAssertEqual(read.rate.base, 3e-4)
    XCTAssertEqual(read.optimizer.beta2, 0.99)
  }
}
