import Yams

extension TrainingOptions {
  /// The options in the format that `init(contentsOf:)` reads: what a run kept in its folder can be repeated from.
  /// - Throws: Yams' error if a value cannot be written.
  package func yaml() throws -> String {
    let root: [(String, Node)] = [
      ("name", Self.node(name)), ("manual_seed", Self.node(Int(clamping: seed))),
      ("datasets", try datasets()), ("network_g", try network()),
      ("path", try Self.map([("pretrain_network_g", pretrained.map(Self.node))])),
      ("train", try training()),
      ("val", try Self.map([("val_freq", Self.node(validationInterval))])),
      ("logger", try Self.map([("save_checkpoint_freq", Self.node(checkpointInterval))])),
    ]
    return try Yams.serialize(node: Node(root.map { (Node($0.0), $0.1) }))
  }

  private func datasets() throws -> Node {
    let dual = rightViews != nil
    let train = try Self.map([
      (dual ? "dataroot_lqL" : "dataroot_lq", data.isEmpty ? nil : Self.node(data)),
      ("dataroot_lqR", rightViews.map(Self.node)), ("dataroot_gt", targets.map(Self.node)),
      ("sigma_range", noise.map { Self.list([$0.lowerBound, $0.upperBound]) }),
      ("geometric_augs", Self.node(augment)),
      ("gt_sizes", Self.list(stages.map(\.patch))), ("iters", Self.list(stages.map(\.steps))),
      ("mini_batch_sizes", Self.list(stages.map(\.batch))),
      ("mean", normalization == .none ? nil : Self.list(normalization.mean)),
      ("std", normalization == .none ? nil : Self.list(normalization.std)),
    ])
    let validating = try Self.map([
      (validationRightViews != nil ? "dataroot_lqL" : "dataroot_lq", validation.map(Self.node)),
      ("dataroot_lqR", validationRightViews.map(Self.node)),
      ("dataroot_gt", validationTargets.map(Self.node)),
    ])
    return try Self.map([("train", train), ("val", validating)])
  }

  private func network() throws -> Node {
    try Self.map([
      ("type", Self.node("Restormer")), ("inp_channels", Self.node(model.inputChannels)),
      ("out_channels", Self.node(model.outputChannels)), ("dim", Self.node(model.dim)),
      ("num_blocks", Self.list(model.blocks)),
      ("num_refinement_blocks", Self.node(model.refinementBlocks)),
      ("heads", Self.list(model.heads)), ("ffn_expansion_factor", Self.node(model.expansion)),
      ("bias", Self.node(model.bias)), ("LayerNorm_type", Self.node(model.normalization.rawValue)),
      ("dual_pixel_task", Self.node(model.dualPixel)),
    ])
  }

  private func training() throws -> Node {
    let losses = [LossKind.l1: "L1Loss", .mse: "MSELoss", .charbonnier: "CharbonnierLoss"]
    return try Self.map([
      ("warmup_iter", Self.node(rate.warmUp)), ("grad_clip_norm", clip.map(Self.node)),
      ("ema_decay", averageDecay.map(Self.node)), ("accumulate", Self.node(accumulate)),
      ("scheduler", try schedule()),
      (
        "mixing_augs",
        try mixup.map {
          try Self.map([("mixup", Self.node(true)), ("mixup_beta", Self.node($0))])
        }
      ),
      (
        "optim_g",
        try Self.map([
          ("type", Self.node(optimizer.kind == .sgd ? "SGD" : "AdamW")),
          ("lr", Self.node(rate.base)),
          ("weight_decay", Self.node(optimizer.weightDecay)),
          ("betas", Self.list([optimizer.beta1, optimizer.beta2])),
          ("eps", Self.node(optimizer.epsilon)), ("momentum", Self.node(optimizer.momentum)),
        ])
      ),
      ("pixel_opt", try Self.map([("type", Self.node(losses[loss] ?? "L1Loss"))])),
    ])
  }

  private func schedule() throws -> Node {
    switch rate.schedule {
    case .constant: return try Self.map([("type", Self.node("ConstantLR"))])
    case .cosine(let period, let minimum):
      return try Self.map([
        ("type", Self.node("CosineAnnealingLR")), ("T_max", Self.node(period)),
        ("eta_min", Self.node(minimum)),
      ])
    case .restartCyclic(let cycles):
      return try Self.map([
        ("type", Self.node("CosineAnnealingRestartCyclicLR")),
        ("periods", Self.list(cycles.map(\.period))),
        ("restart_weights", Self.list(cycles.map(\.weight))),
        ("eta_mins", Self.list(cycles.map(\.minimum))),
      ])
    }
  }

  private static func node<Value: CustomStringConvertible>(_ value: Value) -> Node {
    // A text that looks like a number must stay a text.
    value is String ? Node(value.description, Tag(.str), .doubleQuoted) : Node(value.description)
  }

  private static func list<Value: CustomStringConvertible>(_ values: [Value]) -> Node {
    Node(values.map { Node($0.description) }, .implicit, .flow)
  }

  private static func map(_ fields: [(String, Node?)]) throws -> Node {
    Node(fields.compactMap { name, node in node.map { (Node(name), $0) } })
  }
}
