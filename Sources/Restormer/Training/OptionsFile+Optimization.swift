extension TrainingOptions {
  /// Reads the section `train`.
  mutating func readOptimization(_ section: OptionsReader) throws {
    if let total = try section.integer("total_iter") { setTotal(total) }
    if let value = try section.integer("accumulate") { accumulate = value }
    // The authors clip at 0.01 wherever they clip.
    if let value = try section.number("grad_clip_norm") { clip = value }
    if let value = try section.boolean("use_grad_clip") { clip = value ? clip ?? 0.01 : nil }
    if let value = try section.number("ema_decay"), value > 0 { averageDecay = value }
    if let value = try section.integer("warmup_iter") { rate.warmUp = max(0, value) }
    try readRecompute(section)
    try readMixing(section.section("mixing_augs"))
    try readOptimizer(section.section("optim_g"))
    try readSchedule(section.section("scheduler"))
    try readLoss(section.section("pixel_opt"))
  }

  private mutating func readRecompute(_ section: OptionsReader) throws {
    // To YAML an unquoted `on` is a truth value.
    if let flag = try? section.boolean("recompute") {
      recompute = flag ? .on : .off
    } else if let value = try section.string("recompute") {
      guard let choice = Recompute(rawValue: value) else {
        throw section.fault("recompute", "'\(value)', expected auto, on or off")
      }
      recompute = choice
    }
  }

  /// Stretches or cuts the last stage so that the run has `total` steps.
  public mutating func setTotal(_ total: Int) {
    var rest = total
    let last = stages.count - 1
    stages = stages.enumerated().compactMap { index, stage in
      let steps = index == last ? rest : min(rest, stage.steps)
      rest -= steps
      return steps > 0 || index == 0
        ? Stage(steps: steps, patch: stage.patch, batch: stage.batch) : nil
    }
  }

  private mutating func readMixing(_ section: OptionsReader) throws {
    guard try section.boolean("mixup") == true else { return }
    mixup = Mixup(
      beta: try section.number("mixup_beta") ?? 1.2,
      identity: try section.boolean("use_identity") ?? false)
  }

  private mutating func readOptimizer(_ section: OptionsReader) throws {
    if let kind = try section.string("type") {
      guard let rule = OptimizerOptions.Kind.allCases.first(where: { $0.officialName == kind })
      else { throw section.fault("type", "'\(kind)', expected AdamW or SGD") }
      optimizer = OptimizerOptions(rule)
    }
    if let value = try section.number("lr") { rate.base = value }
    if let value = try section.number("weight_decay") { optimizer.weightDecay = value }
    if let value = try section.number("momentum") { optimizer.momentum = value }
    if let value = try section.number("eps") { optimizer.epsilon = value }
    if let value = try section.numbers("betas") {
      guard value.count == 2, value.allSatisfy({ (0..<1).contains($0) }) else {
        throw section.fault("betas", "\(value), expected two numbers from 0 to below 1")
      }
      (optimizer.beta1, optimizer.beta2) = (value[0], value[1])
    }
  }

  private mutating func readLoss(_ section: OptionsReader) throws {
    if let name = try section.string("type") {
      guard let kind = LossKind.allCases.first(where: { $0.officialName == name }) else {
        throw section.fault("type", "'\(name)', expected L1Loss, MSELoss or CharbonnierLoss")
      }
      loss = kind
    }
    if let value = try section.number("loss_weight") { lossWeight = value }
    if let value = try section.number("eps"), loss == .charbonnier, value != 1e-3 {
      throw section.fault("eps", "\(value), expected 0.001")
    }
    if let value = try section.string("reduction"), value != "mean" {
      throw section.fault("reduction", "'\(value)', expected mean")
    }
  }

  private mutating func readSchedule(_ section: OptionsReader) throws {
    guard let kind = try section.string("type") else { return }
    switch kind {
    case "CosineAnnealingLR", "TrueCosineAnnealingLR":
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

extension OptimizerOptions.Kind {
  /// The name in options files.
  var officialName: String {
    switch self {
    case .adamw: "AdamW"
    case .sgd: "SGD"
    }
  }
}

extension LossKind {
  /// The name in options files.
  var officialName: String {
    switch self {
    case .l1: "L1Loss"
    case .mse: "MSELoss"
    case .charbonnier: "CharbonnierLoss"
    }
  }
}
