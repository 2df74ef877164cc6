import Foundation
import Restormer
import XCTest

final class OptionsFileTests: XCTestCase {
  private func options(_ text: String) throws -> TrainingOptions { try options(Data(text.utf8)) }

  private func options(_ bytes: Data) throws -> TrainingOptions {
    let path = NSTemporaryDirectory() + "options-\(UUID().uuidString).yml"
    defer { unlink(path) }
    try bytes.write(to: URL(fileURLWithPath: path))
    return try TrainingOptions(contentsOf: path)
  }

  func testShippedFilesAreRead() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Examples/options").standardized.path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    XCTAssertGreaterThanOrEqual(files.count, 8)
    for file in files where file.hasSuffix(".yml") {
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

  /// A key of another section that nothing comes of is no help, and three letters are like many.
  func testNoFarFetchedKeyIsSuggested() {
    XCTAssertThrowsError(try options("bar: 1\n")) {
      XCTAssertTrue("\($0)".hasSuffix("unknown key bar"), "\($0)")
    }
    XCTAssertThrowsError(try options("num_gpus: 1\n")) {
      XCTAssertTrue("\($0)".hasSuffix("did you mean num_gpu?"), "\($0)")
    }
  }

  func testABackendWithoutASectionIsNamed() throws {
    for set in ["train", "val"] {
      let found = try options("datasets:\n  \(set): {dataroot_gt: a, io_backend: lmdb}\n")
      XCTAssertEqual(
        found.notes,
        ["datasets.\(set).io_backend 'lmdb' has no effect: images are read from folders of files"])
    }
    let plain = try options("datasets:\n  train: {dataroot_gt: a, io_backend: disk}\n")
    XCTAssertEqual(plain.notes, [])
  }

  func testUTF16WithoutAMarkIsTold() throws {
    for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
      let bytes = try XCTUnwrap("name: x\n".data(using: encoding))
      XCTAssertThrowsError(try options(bytes)) {
        XCTAssertTrue("\($0)".hasSuffix("not UTF-8 at line 1: save it as UTF-8"), "\($0)")
      }
    }
  }

  /// `pages/`, as shells complete it, is `pages`.
  func testSlashesAtTheEndOfAPathMeanNothing() throws {
    let found = try options("datasets:\n  train: {dataroot_lq: pages//, dataroot_gt: /}\n")
    XCTAssertEqual([found.data.input, found.data.target], ["pages", "/"])
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

  func testAllFaultsAreNamedAtOnceAndFarFetchedNamesAreNotSuggested() {
    let text =
      "datasets:\n  train: {gt_sise: 8}\nwidth: 3\ntrain: {total_iter: -3, frobnicate: 1}\n"
    XCTAssertThrowsError(try options(text)) {
      let fault = "\($0)"
      XCTAssertTrue(
        fault.contains("unknown key datasets.train.gt_sise, did you mean gt_size?"), fault)
      XCTAssertTrue(fault.contains("unknown key width;"), fault)
      XCTAssertTrue(fault.contains("unknown key train.frobnicate;"), fault)
      XCTAssertTrue(fault.contains("train.total_iter: -3, expected a whole number from 1"), fault)
    }
    // Of another network most keys are unknown: its name is what is wrong.
    let other = "network_g: {type: NAFNet, width: 32, enc_blk_nums: [1, 1], dim: 3.5}\n"
    XCTAssertThrowsError(try options(other)) {
      XCTAssertTrue("\($0)".hasSuffix("network_g.type: 'NAFNet', expected Restormer"), "\($0)")
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
      (
        "network_g:\n  dim: wide\n", "network_g.dim: 'wide', expected a whole number from 2 to 4096"
      ),
      ("network_g:\n  dim: 7\n", "dim is 7"),
      ("train:\n  scheduler:\n    type: StepLR\n", "train.scheduler.type: 'StepLR'"),
      ("datasets: [1\n", "yml"), ("datasets: [1]\n", "datasets: [1], expected a section"),
      ("- name\n", "no options"), ("", "no options"), ("name: a/b\n", "name 'a/b'"),
      ("path:\n  resume_state: x.state\n", "path.resume_state: 'x.state'"),
      ("train:\n  pixel_opt:\n    reduction: sum\n", "train.pixel_opt.reduction: 'sum'"),
      ("train:\n  pixel_opt: {type: CharbonnierLoss, eps: 0.1}\n", "train.pixel_opt.eps: 0.1"),
      ("datasets:\n  train:\n    meta_info_file: list.txt\n", "meta_info_file: 'list.txt'"),
      (
        "train:\n  optim_g: {weight_decay: -1}\n",
        "train.optim_g.weight_decay: -1, expected a number"
      ),
      ("train:\n  optim_g: {type: SGD, momentum: 1.5}\n", "momentum: 1.5, expected"),
      ("train:\n  optim_g: {eps: 0}\n", "train.optim_g.eps: 0, expected a number above 0"),
      (
        "train:\n  mixing_augs: {mixup: true, mixup_beta: 0}\n",
        "train.mixing_augs.mixup_beta: 0, expected"
      ),
      ("datasets:\n  train:\n    mean: [0.5, 0.5]\n", "2 numbers of mean and std for 3 channels"),
      ("datasets:\n  train:\n    gt_sizes: [64]\n", "expected iters and mini_batch_sizes too"),
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

  func testNumbersAreReadAsTheirWritersMeantThem() throws {
    let read = try options(
      """
      name: 20231001
      manual_seed: '7'
      datasets:
        train: {dataroot_gt: 2023-10-01, batch_size_per_gpu: 1_0, gt_size: 0x40}
      network_g: {type: restormer, dim: '16', bias: 0, num_blocks: ['1', 1e0, 1, 1.0]}
      train: {total_iter: 5e3, recompute: off, warmup_iter: -1, ema_decay: 0, grad_clip_norm: 0}
      val: {val_freq: !!float 2e3}
      path: ~
      logger:
      """)
    XCTAssertEqual([read.name, read.data.target], ["20231001", "2023-10-01"])
    XCTAssertEqual(read.stages, [.init(steps: 5000, patch: 64, batch: 10)])
    XCTAssertEqual([read.model.dim, read.model.blocks[1], Int(read.seed)], [16, 1, 7])
    XCTAssertEqual([read.validationInterval, read.rate.warmUp], [2000, 0])
    XCTAssertFalse(read.model.bias)
    XCTAssertEqual(read.recompute, .off)
    XCTAssertNil(read.averageDecay ?? read.clip)
  }

  func testAnchorsMergesAndFurtherValidationSets() throws {
    let read = try options(
      """
      x-data: &data {dataroot_lq: a, dataroot_gt: b, gt_size: 64}
      datasets:
        train:
          <<: *data
          gt_size: 32
        val_1: {<<: *data, name: first}
        val_2: {dataroot_lq: c, dataroot_gt: d}
      """)
    XCTAssertEqual(read.data, DataFolders(input: "a", target: "b"))
    XCTAssertEqual(read.stages[0].patch, 32)
    XCTAssertEqual(read.validation, DataFolders(input: "a", target: "b"))
    XCTAssertEqual(read.notes.count, 1)
    XCTAssertTrue(read.notes[0].hasPrefix("datasets.val_2 has no effect"), read.notes[0])
  }

  func testKeysWithoutEffectAreNamedWhenTheyAskForSomething() throws {
    let quiet = try options(
      """
      num_gpu: 1
      dist_params: {backend: nccl, port: 29500}
      auto_resume: true
      datasets: {train: {io_backend: {type: disk}, num_worker_per_gpu: 8}}
      path: {strict_load_g: true, experiments_root: ~}
      logger: {wandb: {project: ~, resume_id: ~}, use_tb_logger: true}
      """)
    XCTAssertEqual(quiet.notes, [])
    let loud = try options(
      """
      num_gpu: 8
      datasets: {train: {io_backend: {type: lmdb}}}
      path: {strict_load_g: false, experiments_root: /data/runs}
      """
    ).notes
    for key in [
      "num_gpu 8", "datasets.train.io_backend.type 'lmdb'", "path.strict_load_g 'false'",
      "path.experiments_root '/data/runs'",
    ] {
      XCTAssertTrue(loud.contains { $0.hasPrefix("\(key) has no effect: ") }, "\(key): \(loud)")
    }
  }

  func testMetricsAreHonoured() throws {
    let read = try options(
      """
      val:
        metrics:
          psnr: {type: calculate_psnr, crop_border: 4, test_y_channel: true}
          ssim: {type: calculate_ssim, crop_border: 0, test_y_channel: false}
      """)
    XCTAssertTrue(read.scoring.psnr.luma)
    XCTAssertEqual(read.scoring.psnr.border, 4)
    XCTAssertEqual(read.scoring.ssim, Scoring().ssim)
    XCTAssertEqual(try options(read.yaml), read)
  }

  func testOtherEncodings() throws {
    let text = "# 去模糊\nname: run\n"
    for (encoding, mark) in [
      (String.Encoding.utf8, [0xEF, 0xBB, 0xBF]), (.utf16LittleEndian, [0xFF, 0xFE]),
      (.utf16BigEndian, [0xFE, 0xFF] as [UInt8]),
    ] {
      let bytes = Data(mark) + (try XCTUnwrap(text.data(using: encoding)))
      XCTAssertEqual(try options(bytes).name, "run")
    }
    for bytes in [[0xC8, 0xA5, 0xC4], [0x64, 0xE9, 0x66, 0x6C] as [UInt8]] {
      let text = Data("name: run\n# ".utf8) + Data(bytes) + Data("\n".utf8)
      XCTAssertThrowsError(try options(text)) {
        XCTAssertTrue("\($0)".hasSuffix("not UTF-8 at line 2: save it as UTF-8"), "\($0)")
      }
    }
  }

  func testAKeyThatStandsTwiceIsNamedAlone() {
    XCTAssertThrowsError(try options("train:\n  total_iter: 1\nname: a\nname: b\n")) {
      XCTAssertTrue("\($0)".contains("'name' stands twice, first at line 3"), "\($0)")
      XCTAssertFalse("\($0)".contains("total_iter"), "\($0)")
    }
  }
}
