extension TrainingOption {
  /// Patches, batches and steps, and the rate over them.
  static let length =
    [
      TrainingOption(
        "datasets.train.gt_size", "Rows and columns of a patch.", patch,
        set: { $0.stages[0].patch = $1 }),
      TrainingOption(
        "datasets.train.batch_size_per_gpu", "Patches of a batch.", batch,
        set: { $0.stages[0].batch = $1 }),
      TrainingOption(
        "datasets.train.gt_sizes", "Patch sizes of the stages.", .list(of: patch),
        get: { $0.stages.map(\.patch) },
        set: { $0.stages = $1.map { .init(steps: 0, patch: $0, batch: 0) } }),
      TrainingOption(
        "datasets.train.mini_batch_sizes", "Batches of the stages.", .list(of: batch),
        get: { $0.stages.map(\.batch) }, set: { try $0.setStages(\.batch, $1) }),
      TrainingOption(
        "datasets.train.iters", "Steps of the stages.", .list(of: .whole(1...many)),
        get: { $0.stages.map(\.steps) }, set: { try $0.setStages(\.steps, $1) }),
      TrainingOption(
        nil, flag: "patch", "Rows and columns of a patch, a multiple of 8.", patch,
        get: { $0.stages[0].patch }, set: { $0.setSingleStage(patch: $1) }),
      TrainingOption(
        nil, flag: "batch", "Patches of a batch.", batch,
        get: { $0.stages[0].batch }, set: { $0.setSingleStage(batch: $1) }),
      TrainingOption(
        "train.accumulate", flag: "accumulate", "Batches whose gradients are summed for one step.",
        .whole(1...65_536), \.accumulate),
      TrainingOption(
        "train.total_iter", flag: "steps", "Steps of the run.", .whole(1...many),
        get: { $0.totalSteps }, set: { $0.setTotal($1) }),
      TrainingOption(
        nil, flag: "epochs", "Epochs of the run, instead of --steps.", .whole(1...1_000_000),
        set: { try $0.setEpochs($1) }),
      TrainingOption(
        "train.recompute", flag: "recompute",
        "auto, on or off: compute blocks again instead of keeping them.",
        .choice([(.auto, ["auto"]), (.on, ["on", "true"]), (.off, ["off", "false"])]).quoted,
        \.recompute),
      TrainingOption(
        "train.precision", flag: "precision",
        "float; half: activations and their gradients stored so, on OpenCL devices; or tf32.",
        .choice([.float, .half, .tf32].map { ($0, [$0.rawValue]) }), \.precision),
    ] + schedule

  private static let patch = OptionKind<Int>.whole(8...8192)
  private static let batch = OptionKind<Int>.whole(1...4096)
}

extension TrainingOption {
  private enum Schedule { case constant, cosine, cyclic }

  private static let schedule = [
    TrainingOption(
      "train.scheduler.type", "How the rate changes.",
      .choice([
        (.constant, ["ConstantLR", "Constant"]),
        (.cosine, ["CosineAnnealingLR", "TrueCosineAnnealingLR"]),
        (.cyclic, ["CosineAnnealingRestartCyclicLR"]),
      ]),
      get: { options -> Schedule in
        switch options.rate.schedule {
        case .constant: .constant
        case .cosine: .cosine
        case .restartCyclic: .cyclic
        }
      },
      set: { options, kind in
        switch kind {
        case .constant: options.rate.schedule = .constant
        case .cosine: options.rate.schedule = .cosine(period: options.totalSteps, minimum: 0)
        case .cyclic: options.rate.schedule = .restartCyclic(cycles: [])
        }
      }),
    TrainingOption(
      "train.scheduler.T_max", "Steps of the half cosine.", .whole(1...many),
      get: { $0.rate.schedule.cosine?.period }, set: { try $0.rate.schedule.setCosine(period: $1) }
    ),
    TrainingOption(
      "train.scheduler.eta_min", "Rate at the cosine's end.", rate,
      get: { $0.rate.schedule.cosine?.minimum },
      set: { try $0.rate.schedule.setCosine(minimum: $1) }),
    TrainingOption(
      "train.scheduler.periods", "Steps of the cycles.", .list(of: .whole(1...many)),
      get: { $0.rate.schedule.cycles?.map(\.period) },
      set: {
        guard $0.rate.schedule.cycles != nil else { throw LearningRateSchedule.misfit }
        $0.rate.schedule = .restartCyclic(
          cycles: $1.map { .init(period: $0, weight: 1, minimum: 0) })
      }),
    TrainingOption(
      "train.scheduler.restart_weights", "Factors of the cycles' rates.",
      .list(of: .number(0...1e6)), get: { $0.rate.schedule.cycles?.map(\.weight) },
      set: { try $0.rate.schedule.setCycles(\.weight, $1) }),
    TrainingOption(
      "train.scheduler.eta_mins", "Rates at the cycles' ends.", .list(of: rate),
      get: { $0.rate.schedule.cycles?.map(\.minimum) },
      set: { try $0.rate.schedule.setCycles(\.minimum, $1) }),
    TrainingOption(
      nil, flag: "schedule", "constant, or cosine down to a thousandth over the whole run.",
      .choice([(false, ["constant"]), (true, ["cosine"])]),
      set: {
        $0.rate.schedule =
          $1 ? .cosine(period: $0.totalSteps, minimum: $0.rate.base / 1000) : .constant
      }),
  ]

  private static let rate = OptionKind<Double>.number(0...1e6)
}

extension LearningRateSchedule {
  fileprivate static let misfit = DataError("it does not fit the scheduler's type")

  fileprivate var cosine: (period: Int, minimum: Double)? {
    if case .cosine(let period, let minimum) = self { (period, minimum) } else { nil }
  }

  fileprivate var cycles: [Cycle]? {
    if case .restartCyclic(let cycles) = self { cycles } else { nil }
  }

  fileprivate mutating func setCosine(period: Int? = nil, minimum: Double? = nil) throws {
    guard let old = cosine else { throw Self.misfit }
    self = .cosine(period: period ?? old.period, minimum: minimum ?? old.minimum)
  }

  fileprivate mutating func setCycles(
    _ field: WritableKeyPath<Cycle, Double>, _ values: [Double]
  ) throws {
    guard var cycles else { throw Self.misfit }
    try cycles.set(field, values, "periods")
    self = .restartCyclic(cycles: cycles)
  }
}

extension TrainingOptions {
  fileprivate mutating func setStages(_ field: WritableKeyPath<Stage, Int>, _ values: [Int]) throws
  {
    try stages.set(field, values, "gt_sizes")
  }

  /// One stage over all steps.
  fileprivate mutating func setSingleStage(patch: Int? = nil, batch: Int? = nil) {
    let first = stages[0]
    stages = [
      Stage(steps: totalSteps, patch: patch ?? first.patch, batch: batch ?? first.batch)
    ]
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

  /// The first step by which the ranks have drawn the patches of so many epochs; stages differ in
  /// their batches.
  fileprivate mutating func setEpochs(_ epochs: Int) throws {
    let patches = epochs * (try data.source(for: model, cacheBytes: 0).count)
    let ranks = RankGroup.current?.size ?? 1
    let share = (patches + ranks - 1) / ranks
    var long = self
    long.setTotal(TrainingOption.many)
    var (low, high) = (0, TrainingOption.many)
    guard long.position(at: high) >= share else {
      throw DataError("\(epochs), expected at most \(high) steps")
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if long.position(at: middle) < share { low = middle } else { high = middle }
    }
    setTotal(high)
  }
}

extension Array {
  /// Sets a field of every element, which must be as many as `values`; `name` is the list that made
  /// the elements.
  fileprivate mutating func set<Value>(
    _ field: WritableKeyPath<Element, Value>, _ values: [Value], _ name: String
  ) throws {
    guard values.count == count else {
      throw DataError("\(values.count) numbers, expected \(count) as in \(name)")
    }
    for index in indices { self[index][keyPath: field] = values[index] }
  }
}
