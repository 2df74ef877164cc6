extension TrainingOptions {
  /// Every option under its path in an options file, with its value as that file writes it.
  ///
  /// One list for both uses: it is written to the run's folder, and compared when a run goes on.
  public var entries: [(key: String, value: String)] {
    [("name", Self.quoted(name)), ("manual_seed", "\(seed)")] + dataEntries + modelEntries
      + pathEntries + trainEntries + [
        ("val.val_freq", "\(validationInterval)"),
        ("logger.save_checkpoint_freq", "\(checkpointInterval)"),
        ("logger.save_checkpoint_minutes", "\(checkpointMinutes)"),
        ("logger.keep_checkpoints", "\(keptCheckpoints)"),
      ]
  }

  /// The options as a file that `init(contentsOf:)` reads back to the same options.
  public var yaml: String {
    var lines: [String] = []
    var open: [Substring] = []
    for (key, value) in entries {
      let path = key.split(separator: ".")
      let sections = Array(path.dropLast())
      var shared = 0
      while shared < min(open.count, sections.count), open[shared] == sections[shared] {
        shared += 1
      }
      for depth in shared..<sections.count {
        lines.append(Self.indent(depth) + sections[depth] + ":")
      }
      open = sections
      lines.append("\(Self.indent(sections.count))\(path[path.count - 1]): \(value)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The entries in which two options differ, one line each: `train.optim_g.lr: 0.0003 -> 0.001`.
  static func changes(from old: [String: String], to new: TrainingOptions) -> [String] {
    let entries = new.entries
    let gone = Set(old.keys).subtracting(entries.map(\.key))
    let changed = entries.compactMap { key, value in
      old[key] == value ? nil : "\(key): \(old[key] ?? "none") -> \(value)"
    }
    return changed + gone.sorted().map { "\($0): \(old[$0] ?? "") -> none" }
  }

  private static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func list<T>(_ values: [T]) -> String {
    "[\(values.map { "\($0)" }.joined(separator: ", "))]"
  }

  private var dataEntries: [(String, String)] {
    let train = "datasets.train."
    var entries = Self.entries(data, train, sigmaKeys: true)
    entries += [
      (train + "geometric_augs", "\(augment)"), (train + "use_shuffle", "\(shuffle)"),
      (train + "gt_sizes", Self.list(stages.map(\.patch))),
      (train + "mini_batch_sizes", Self.list(stages.map(\.batch))),
      (train + "iters", Self.list(stages.map(\.steps))),
    ]
    if normalization != .none {
      entries.append((train + "mean", Self.list(normalization.mean)))
      entries.append((train + "std", Self.list(normalization.std)))
    }
    return entries + (validation.map { Self.entries($0, "datasets.val.", sigmaKeys: false) } ?? [])
  }

  private static func entries(
    _ folders: DataFolders, _ section: String, sigmaKeys: Bool
  ) -> [(String, String)] {
    var entries: [(String, String)] = []
    let left = folders.right == nil ? "dataroot_lq" : "dataroot_lqL"
    for (key, value) in [
      (left, folders.input), ("dataroot_lqR", folders.right), ("dataroot_gt", folders.target),
    ] {
      if let value { entries.append((section + key, quoted(value))) }
    }
    if folders.nameTemplate != "{}" {
      entries.append((section + "filename_tmpl", quoted(folders.nameTemplate)))
    }
    if let recipe = folders.degradation {
      entries.append((section + "degrade", quoted(recipe.description)))
    }
    switch folders.noise?.level {
    case nil: break
    case .constant(let value) where !sigmaKeys: entries.append((section + "sigma_test", "\(value)"))
    case .constant(let value):
      entries += [(section + "sigma_type", "constant"), (section + "sigma_range", "\(value)")]
    case .random(let low, let high):
      entries += [
        (section + "sigma_type", "random"), (section + "sigma_range", list([low, high])),
      ]
    case .choice(let values):
      entries += [(section + "sigma_type", "choice"), (section + "sigma_range", list(values))]
    }
    return entries
  }

  private var modelEntries: [(String, String)] {
    [
      ("inp_channels", "\(model.inputChannels)"), ("out_channels", "\(model.outputChannels)"),
      ("dim", "\(model.dim)"), ("num_blocks", Self.list(model.blocks)),
      ("num_refinement_blocks", "\(model.refinementBlocks)"), ("heads", Self.list(model.heads)),
      ("ffn_expansion_factor", "\(model.expansion)"), ("bias", "\(model.bias)"),
      ("LayerNorm_type", model.normalization.rawValue), ("dual_pixel_task", "\(model.dualPixel)"),
    ].map { ("network_g." + $0, $1) }
  }

  private var pathEntries: [(String, String)] {
    [("path.pretrain_network_g", pretrained), ("path.param_key", pretrainedKey)].compactMap {
      key, value in value.map { (key, Self.quoted($0)) }
    }
  }

  private var trainEntries: [(String, String)] {
    var entries = [
      ("total_iter", "\(totalSteps)"), ("warmup_iter", "\(rate.warmUp)"),
      ("accumulate", "\(accumulate)"), ("recompute", "\"\(recompute.rawValue)\""),
      ("use_grad_clip", "\(clip != nil)"),
    ]
    if let clip { entries.append(("grad_clip_norm", "\(clip)")) }
    entries.append(("ema_decay", averageDecay.map { "\($0)" } ?? "0"))
    entries += scheduleEntries.map { ("scheduler." + $0, $1) }
    entries.append(("mixing_augs.mixup", "\(mixup != nil)"))
    if let mixup {
      entries.append(("mixing_augs.mixup_beta", "\(mixup.beta)"))
      entries.append(("mixing_augs.use_identity", "\(mixup.identity)"))
    }
    entries += optimizerEntries.map { ("optim_g." + $0, $1) }
    entries.append(("pixel_opt.type", loss.officialName))
    entries.append(("pixel_opt.loss_weight", "\(lossWeight)"))
    return entries.map { ("train." + $0, $1) }
  }

  private var scheduleEntries: [(String, String)] {
    switch rate.schedule {
    case .constant: [("type", "ConstantLR")]
    case .cosine(let period, let minimum):
      [("type", "CosineAnnealingLR"), ("T_max", "\(period)"), ("eta_min", "\(minimum)")]
    case .restartCyclic(let cycles):
      [
        ("type", "CosineAnnealingRestartCyclicLR"), ("periods", Self.list(cycles.map(\.period))),
        ("restart_weights", Self.list(cycles.map(\.weight))),
        ("eta_mins", Self.list(cycles.map(\.minimum))),
      ]
    }
  }

  private var optimizerEntries: [(String, String)] {
    let type = ("type", optimizer.kind.officialName)
    let common = [("lr", "\(rate.base)"), ("weight_decay", "\(optimizer.weightDecay)")]
    switch optimizer.kind {
    case .adamw:
      return [type] + common + [
        ("betas", Self.list([optimizer.beta1, optimizer.beta2])), ("eps", "\(optimizer.epsilon)"),
      ]
    case .sgd: return [type] + common + [("momentum", "\(optimizer.momentum)")]
    }
  }
}
