import Foundation
import Yams

extension TrainingOptions {
  /// Reads an options file with the key names of the authors' published YAML files.
  ///
  /// Keys that only concern their framework (`num_gpu`, `io_backend`, `logger`, ...) are accepted and have no effect.
  /// - Throws: `DataError` naming file and key: unreadable YAML, an unknown key with the nearest known one, a value of
  ///   the wrong kind, a combination that makes no sense.
  public init(contentsOf path: String) throws {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw DataError("\(path): no such file, or it cannot be read")
    }
    let root: Any?
    do {
      root = try Yams.load(yaml: text)
    } catch {
      let reason = "\(error)".split(whereSeparator: \.isNewline).first ?? "no YAML"
      throw DataError("\(path): \(reason)")
    }
    self.init()
    let reader = OptionsReader(path: path, keyPath: "", values: root as? [String: Any] ?? [:])
    try reader.checkKeys()
    try read(reader)
    if let fault { throw DataError("\(path): \(fault)") }
  }

  private mutating func read(_ file: OptionsReader) throws {
    name = try file.string("name") ?? name
    if let value = try file.integer("manual_seed") { seed = UInt64(clamping: value) }
    try readModel(file.section("network_g"))
    try readTraining(file.section("datasets").section("train"))
    let validationData = file.section("datasets").section("val")
    validation =
      try validationData.string("dataroot_lq") ?? validationData.string("dataroot_lqL")
    validationRightViews = try validationData.string("dataroot_lqR")
    validationTargets = try validationData.string("dataroot_gt")
    pretrained = try file.section("path").string("pretrain_network_g")
    try readOptimization(file.section("train"))
    if let value = try file.section("val").number("val_freq") { validationInterval = Int(value) }
    if let value = try file.section("logger").number("save_checkpoint_freq") {
      checkpointInterval = max(1, Int(value))
    }
  }

  private mutating func readModel(_ section: OptionsReader) throws {
    guard !section.values.isEmpty else { return }
    model = ModelConfiguration()
    if let value = try section.integer("inp_channels") { model.inputChannels = value }
    if let value = try section.integer("out_channels") { model.outputChannels = value }
    if let value = try section.integer("dim") { model.dim = value }
    if let value = try section.integers("num_blocks") { model.blocks = value }
    if let value = try section.integer("num_refinement_blocks") { model.refinementBlocks = value }
    if let value = try section.integers("heads") { model.heads = value }
    if let value = try section.number("ffn_expansion_factor") { model.expansion = value }
    if let value = try section.boolean("bias") { model.bias = value }
    if let value = try section.boolean("dual_pixel_task") { model.dualPixel = value }
    if let value = try section.string("LayerNorm_type") {
      guard let kind = ModelConfiguration.Normalization(rawValue: value) else {
        throw section.fault("LayerNorm_type", "'\(value)', expected WithBias or BiasFree")
      }
      model.normalization = kind
    }
  }

  private mutating func readTraining(_ section: OptionsReader) throws {
    data = try section.string("dataroot_lq") ?? section.string("dataroot_lqL") ?? data
    rightViews = try section.string("dataroot_lqR")
    targets = try section.string("dataroot_gt")
    try readNoise(section)
    if let value = try section.boolean("geometric_augs") { augment = value }
    let mean = try section.numbers("mean")
    let std = try section.numbers("std")
    if let mean, let std {
      do {
        normalization = try ImageNormalization(
          checkingMean: mean.map { Float($0) }, std: std.map { Float($0) })
      } catch {
        throw section.fault("mean", "\(error)")
      }
    }
    try readStages(section)
  }

  /// `sigma_range` is one deviation or the two ends of a range.
  private mutating func readNoise(_ section: OptionsReader) throws {
    guard section.values["sigma_range"] != nil else { return }
    let ends =
      section.values["sigma_range"] is [Any]
      ? try section.numbers("sigma_range") ?? []
      : [try section.number("sigma_range")].compactMap { $0 }
    guard let low = ends.min(), let high = ends.max(), low >= 0, high.isFinite else {
      throw section.fault("sigma_range", "expected one or two deviations of 0 or more")
    }
    noise = low...high
  }

  private mutating func readStages(_ section: OptionsReader) throws {
    if let sizes = try section.integers("gt_sizes"), let iterations = try section.integers("iters"),
      let batches = try section.integers("mini_batch_sizes")
    {
      guard sizes.count == iterations.count, sizes.count == batches.count, !sizes.isEmpty else {
        throw section.fault("gt_sizes", "gt_sizes, iters and mini_batch_sizes differ in length")
      }
      stages = sizes.indices.map {
        Stage(steps: iterations[$0], patch: sizes[$0], batch: batches[$0])
      }
    } else {
      if let value = try section.integer("gt_size") { stages[0].patch = value }
      if let value = try section.integer("batch_size_per_gpu") { stages[0].batch = value }
    }
  }

  private mutating func readOptimization(_ section: OptionsReader) throws {
    if let total = try section.integer("total_iter") { setTotal(total) }
    if let value = try section.boolean("use_grad_clip") { clip = value ? 0.01 : nil }
    if let value = try section.number("grad_clip_norm") { clip = value }
    if let value = try section.integer("accumulate") { accumulate = value }
    if let value = try section.number("ema_decay"), value > 0 { averageDecay = value }
    if let value = try section.integer("warmup_iter") { rate.warmUp = max(0, value) }
    let mixing = section.section("mixing_augs")
    if try mixing.boolean("mixup") == true { mixup = try mixing.number("mixup_beta") ?? 1.2 }
    try readOptimizer(section.section("optim_g"))
    try readSchedule(section.section("scheduler"))
    if let kind = try section.section("pixel_opt").string("type") {
      let known = ["L1Loss": LossKind.l1, "MSELoss": .mse, "CharbonnierLoss": .charbonnier]
      guard let chosen = known[kind] else {
        throw section.fault(
          "pixel_opt.type", "'\(kind)', expected L1Loss, MSELoss or CharbonnierLoss")
      }
      loss = chosen
    }
  }

  /// Stretches or cuts the last stage so that the run has `total` steps.
  private mutating func setTotal(_ total: Int) {
    var rest = total
    stages = stages.enumerated().compactMap { index, stage in
      let steps = index == stages.count - 1 ? rest : min(rest, stage.steps)
      rest -= steps
      return steps > 0 ? Stage(steps: steps, patch: stage.patch, batch: stage.batch) : nil
    }
  }

  private mutating func readOptimizer(_ section: OptionsReader) throws {
    if let kind = try section.string("type") {
      guard ["AdamW", "SGD"].contains(kind) else {
        throw section.fault("type", "'\(kind)', expected AdamW or SGD")
      }
      optimizer.kind = kind == "SGD" ? .sgd : .adamw
    }
    if let value = try section.number("lr") { rate.base = value }
    if let value = try section.number("weight_decay") { optimizer.weightDecay = value }
    if let value = try section.number("momentum") { optimizer.momentum = value }
    if let value = try section.number("eps") { optimizer.epsilon = value }
    if let value = try section.numbers("betas") {
      guard value.count == 2 else { throw section.fault("betas", "expected two numbers") }
      (optimizer.beta1, optimizer.beta2) = (value[0], value[1])
    }
  }

  private mutating func readSchedule(_ section: OptionsReader) throws {
    guard let kind = try section.string("type") else { return }
    switch kind {
    case "CosineAnnealingLR":
      rate.schedule = .cosine(
        period: max(1, try section.integer("T_max") ?? totalSteps),
        minimum: try section.number("eta_min") ?? 0)
    case "CosineAnnealingRestartCyclicLR":
      let periods = try section.integers("periods") ?? []
      let minima = try section.numbers("eta_mins") ?? []
      let weights = try section.numbers("restart_weights") ?? periods.map { _ in 1 }
      guard !periods.isEmpty, periods.count == minima.count, periods.count == weights.count else {
        throw section.fault("periods", "periods, restart_weights and eta_mins differ in length")
      }
      rate.schedule = .restartCyclic(
        cycles: periods.indices.map {
          .init(period: max(1, periods[$0]), weight: weights[$0], minimum: minima[$0])
        })
    case "Constant", "ConstantLR": rate.schedule = .constant
    default:
      throw section.fault(
        "type",
        "'\(kind)', expected CosineAnnealingLR, CosineAnnealingRestartCyclicLR or ConstantLR")
    }
  }
}
