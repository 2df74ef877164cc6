extension TrainingOption {
  /// What is trained and validated on.
  static let data =
    [
      TrainingOption(
        nil, flag: "data", "Folder with 'input' and 'target'; with --degrade one of clean images.",
        .path, set: { $0.data.move(to: $1, isDualPixel: $0.model.dualPixel) })
    ] + folders("datasets.train", \.data) + [
      TrainingOption(
        nil, flag: "val", "Validation folder, as --data; with --degrade pairs or clean images.",
        .path, set: { $0.validate(on: $1) })
    ] + folders("datasets.val", \.heldOut) + sampling + scoring

  private static func folders(
    _ section: String, _ field: WritableKeyPath<TrainingOptions, DataFolders> & Sendable
  ) -> [TrainingOption] {
    let isTraining = section.hasSuffix("train")
    func folder(
      _ key: String, _ meaning: String,
      _ part: WritableKeyPath<DataFolders, String?> & Sendable,
      if isWritten: @escaping @Sendable (DataFolders) -> Bool = { _ in true }
    ) -> TrainingOption {
      TrainingOption(
        "\(section).\(key)", meaning, .path,
        get: { isWritten($0[keyPath: field]) ? $0[keyPath: field][keyPath: part] : nil },
        set: { $0[keyPath: field][keyPath: part] = $1.isEmpty ? nil : $1 })
    }
    return [
      folder("dataroot_lq", "Degraded images.", \.input) { $0.right == nil },
      folder("dataroot_lqL", "Left views.", \.input) { $0.right != nil },
      folder("dataroot_lqR", "Right views.", \.right),
      folder("dataroot_gt", "Clean images.", \.target),
      TrainingOption(
        "\(section).meta_info_file", "A list of images.",
        .nothing("every image of the folders is taken"), set: { _, _ in }),
      TrainingOption(
        "\(section).filename_tmpl", "Name of a degraded image, {} being that of the clean one.",
        .text,
        get: {
          let template = $0[keyPath: field].nameTemplate
          return template == "{}" ? nil : template
        }, set: { $0[keyPath: field].nameTemplate = $1 }),
      TrainingOption(
        "\(section).degrade", flag: isTraining ? "degrade" : nil,
        "Make the degraded images from clean ones by this recipe.", .text,
        get: { $0[keyPath: field].degradation?.description },
        set: { $0[keyPath: field].degradation = try DegradationRecipe($1) }),
      TrainingOption(
        "\(section).sigma_test", "Deviation of the noise, in levels of 255.", level,
        get: { isTraining ? nil : $0[keyPath: field].noise?.constant },
        set: { $0[keyPath: field].noise = try GaussianNoise(.constant($1)) }),
      TrainingOption(
        "\(section).sigma_range", "Deviations of the noise, in levels of 255.", .list(of: level),
        get: { options in
          let noise = options[keyPath: field].noise
          return noise?.constant == nil || isTraining ? noise?.deviations : nil
        }, set: { $0[keyPath: field].noise = try GaussianNoise(.choice($1)) }),
      TrainingOption(
        "\(section).sigma_type", "How a patch's deviation is chosen from sigma_range.",
        .choice(["constant", "random", "choice"].map { ($0, [$0]) }),
        get: { options in
          let noise = options[keyPath: field].noise
          return noise?.constant == nil || isTraining ? noise?.choosing : nil
        }, set: { try $0[keyPath: field].noise?.choose($1) }),
    ]
  }

  private static let level = OptionKind<Double>.number(0...1000)

  private static let sampling = [
    TrainingOption(
      "datasets.train.geometric_augs", "Random flips and rotations.", .truth, \.augment),
    TrainingOption(
      "datasets.train.use_hflip", "As geometric_augs.", .truth, set: { $0.augment = $1 }),
    TrainingOption(
      "datasets.train.use_rot", "As use_hflip: flips and rotations come together.", .truth,
      set: { options, value in
        guard value == options.augment else {
          throw DataError("\(value), expected that of use_hflip: flips and rotations come together")
        }
      }),
    TrainingOption(
      "datasets.train.use_shuffle", "Another order of the pairs in every epoch.", .truth,
      \.shuffle),
    TrainingOption(
      "datasets.train.mean", "Means of normalised data, one or for each channel.",
      .list(of: .number(-1000...1000)),
      get: { $0.normalization == .none ? nil : $0.normalization.mean },
      set: {
        $0.normalization = try ImageNormalization(checkingMean: $1, std: $1.map { _ in 1 })
      }),
    TrainingOption(
      "datasets.train.std", "Deviations of normalised data.", .list(of: .positive(upTo: 1000)),
      get: { $0.normalization == .none ? nil : $0.normalization.std },
      set: {
        let mean = $0.normalization == .none ? $1.map { _ in 0 } : $0.normalization.mean
        $0.normalization = try ImageNormalization(checkingMean: mean, std: $1)
      }),
    TrainingOption(
      nil, flag: "normalize", "Mean and deviation for normalised data, such as 0.5,0.5.",
      .list(of: OptionKind<Float>.number(-1000...1000), 2...2),
      set: { $0.normalization = try ImageNormalization(checkingMean: [$1[0]], std: [$1[1]]) }),
  ]

  private static let scoring = [
    ("psnr", \TrainingOptions.scoring.psnr), ("ssim", \TrainingOptions.scoring.ssim),
  ].flatMap { name, field in
    [
      TrainingOption(
        "val.metrics.\(name).test_y_channel", "Compare the luma alone.", .truth,
        get: { $0[keyPath: field].luma ? true : nil }, set: { $0[keyPath: field].luma = $1 }),
      TrainingOption(
        "val.metrics.\(name).crop_border", "Pixels that are left out on every side.",
        .whole(0...10_000),
        get: { $0[keyPath: field].border == 0 ? nil : $0[keyPath: field].border },
        set: { $0[keyPath: field].border = $1 }),
      TrainingOption(
        "val.metrics.\(name).type", "The metric.", .choice([(true, ["calculate_\(name)"])]),
        set: { _, _ in }),
    ]
  }
}

extension TrainingOptions {
  /// The folders of `validation`, empty for none.
  fileprivate var heldOut: DataFolders {
    get { validation ?? DataFolders() }
    set { validation = newValue }
  }

  /// Validates on `folder`: pairs as they are, clean images degraded as those that are trained on.
  fileprivate mutating func validate(on folder: String) {
    heldOut.move(to: folder, isDualPixel: model.dualPixel)
    let isPaired = PairedFolder.isPaired(folder)
    heldOut.degradation = isPaired ? nil : data.degradation
    if isPaired { heldOut.noise = nil }
  }
}

extension GaussianNoise {
  fileprivate var constant: Double? { if case .constant(let value) = level { value } else { nil } }

  fileprivate var deviations: [Double] {
    switch level {
    case .constant(let value): [value]
    case .random(let low, let high): [low, high]
    case .choice(let values): values
    }
  }

  fileprivate var choosing: String {
    switch level {
    case .constant: "constant"
    case .random: "random"
    case .choice: "choice"
    }
  }

  /// Takes the deviations that are there for the bounds or values of `choosing`.
  fileprivate mutating func choose(_ choosing: String) throws {
    let values = deviations
    switch (choosing, values.count) {
    case ("constant", 1): self = try GaussianNoise(.constant(values[0]))
    case ("random", 2): self = try GaussianNoise(.random(from: values[0], to: values[1]))
    case ("choice", _): self = try GaussianNoise(.choice(values))
    default: throw DataError("'\(choosing)' does not fit sigma_range \(values)")
    }
  }
}
