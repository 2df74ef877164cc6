extension TrainingOption {
  /// What is minimised, and how the parameters follow.
  static let optimization =
    [
      TrainingOption(
        "train.pixel_opt.type", flag: "loss", "What is minimised: l1, mse or charbonnier.",
        .choice(LossKind.allCases.map { ($0, [$0.officialName, $0.rawValue]) }), \.loss),
      TrainingOption(
        "train.pixel_opt.loss_weight", "Factor of the loss.", .positive(upTo: 1e9), \.lossWeight),
      TrainingOption(
        "train.pixel_opt.reduction", "How the loss is reduced.", .choice([(true, ["mean"])]),
        set: { _, _ in }),
      TrainingOption(
        "train.pixel_opt.eps", "Addend of the Charbonnier loss.", .number(1e-3...1e-3),
        set: { _, _ in }),
      TrainingOption(
        "train.optim_g.type", flag: "optimizer", "The optimizer: adamw or sgd.",
        .choice(OptimizerOptions.Kind.allCases.map { ($0, [$0.officialName, $0.rawValue]) }),
        get: { $0.optimizer.kind },
        set: { if $1 != $0.optimizer.kind { $0.optimizer = OptimizerOptions($1) } }),
      TrainingOption(
        "train.optim_g.lr", flag: "lr", "Learning rate.", .positive(upTo: 1e6), \.rate.base),
      TrainingOption(
        "train.optim_g.weight_decay", flag: "weight-decay", "Weight decay.", .number(0...1e6),
        \.optimizer.weightDecay),
      TrainingOption(
        "train.optim_g.betas", "Decays of AdamW's two moments.", .list(of: .number(0..<1), 2...2),
        get: { $0.optimizer.kind == .adamw ? [$0.optimizer.beta1, $0.optimizer.beta2] : nil },
        set: { ($0.optimizer.beta1, $0.optimizer.beta2) = ($1[0], $1[1]) }),
      TrainingOption(
        "train.optim_g.eps", "Addend of AdamW's denominator.", .positive(upTo: 1),
        get: { $0.optimizer.kind == .adamw ? $0.optimizer.epsilon : nil },
        set: { $0.optimizer.epsilon = $1 }),
      TrainingOption(
        "train.optim_g.momentum", flag: "momentum", "Momentum of sgd.", .number(0..<1),
        get: { $0.optimizer.kind == .sgd ? $0.optimizer.momentum : nil },
        set: { $0.optimizer.momentum = $1 }),
      TrainingOption(
        "train.warmup_iter", flag: "warmup", "First steps, over which the rate rises; -1 for none.",
        .whole(-1...many), get: { $0.rate.warmUp }, set: { $0.rate.warmUp = max(0, $1) }),
      TrainingOption(
        "train.grad_clip_norm", flag: "clip", "Largest norm of the gradient; 0 for no clipping.",
        .number(0...1e9), get: \.clip, set: { $0.clip = $1 == 0 ? nil : $1 }),
      // The authors clip at 0.01 wherever they clip.
      TrainingOption(
        "train.use_grad_clip", "Clip the gradient, by default at 0.01.", .truth,
        get: { $0.clip != nil }, set: { $0.clip = $1 ? $0.clip ?? 0.01 : nil }),
      TrainingOption(
        "train.ema_decay", flag: "ema", "Decay of a moving average of the weights; 0 for none.",
        .zeroForNone(or: .number(0..<1)), \.averageDecay),
      TrainingOption(
        "train.shard_optimizer", "Share out the optimizer's moments over ranks.", .truth,
        \.shardOptimizer),
    ] + mixing

  private static let beta = OptionKind<Double>.number(1e-3...1e3)

  private static let mixing = [
    TrainingOption(
      "train.mixing_augs.mixup", "Mix the patches of a batch.", .truth, get: { $0.mixup != nil },
      set: { $0.mixup = $1 ? Mixup() : nil }),
    TrainingOption(
      "train.mixing_augs.mixup_beta", "Shares are drawn from Beta(B, B).", beta,
      get: { $0.mixup?.beta }, set: { $0.mixup?.beta = $1 }),
    TrainingOption(
      "train.mixing_augs.use_identity", "Leave every other batch as it is.", .truth,
      get: { $0.mixup?.identity }, set: { $0.mixup?.identity = $1 }),
    TrainingOption(
      nil, flag: "mixup", "Mix the patches of a batch by shares from Beta(B, B); 0 for not.",
      .zeroForNone(or: beta), get: { $0.mixup?.beta },
      set: { $0.mixup = $1.map { Mixup(beta: $0) } }),
  ]
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
