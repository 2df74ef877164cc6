extension TrainingOption {
  /// Every option, in the order in which they are set and listed: one that others lean on comes
  /// before them.
  package static let all = general + data + network + optimization + length + saving + ignored

  /// The options that the command line and sweeps have.
  package static var flags: [String] { all.compactMap(\.flag) }

  /// Steps and the like beyond this are a mistake; sums and products of a few such numbers still
  /// fit 64 bits.
  static let many = 1_000_000_000

  private static let general = [
    TrainingOption(
      nil, flag: "options", "Options file with the keys of the authors' published YAML files.",
      .path, set: { $0 = try TrainingOptions(contentsOf: $1) }),
    TrainingOption("name", flag: "name", "Name of the run's folder.", .text, \.name),
    TrainingOption(
      "manual_seed", flag: "seed", "Seed of weights and batches.", .whole(0...Int.max),
      get: { Int(exactly: $0.seed) ?? -1 }, set: { $0.seed = UInt64($1) }),
  ]

  private static let network = [
    TrainingOption(
      "network_g.type", "The network.", .choice([(true, ["Restormer"])]), set: { _, _ in }),
    TrainingOption(
      nil, flag: "preset", "Size of the network: paper, compact or tiny.",
      .choice(ModelConfiguration.presets.sorted { $0.key < $1.key }.map { ($0.value, [$0.key]) }),
      set: { $0.model = $0.model.resized(as: $1) }),
    TrainingOption(
      "network_g.inp_channels", "Channels of the input.", .whole(1...64), \.model.inputChannels),
    TrainingOption(
      "network_g.out_channels", "Channels of the output.", .whole(1...64), \.model.outputChannels),
    TrainingOption(
      "network_g.dim", "Channels at full resolution.", .whole(2...ModelConfiguration.largestDim),
      \.model.dim),
    TrainingOption(
      "network_g.num_blocks", "Blocks of the four levels.",
      .list(of: .whole(0...ModelConfiguration.mostBlocks), 4...4), \.model.blocks),
    TrainingOption(
      "network_g.num_refinement_blocks", "Blocks of the refinement.",
      .whole(0...ModelConfiguration.mostBlocks), \.model.refinementBlocks),
    TrainingOption(
      "network_g.heads", "Attention heads of the four levels.",
      .list(of: .whole(1...8 * ModelConfiguration.largestDim), 4...4), \.model.heads),
    TrainingOption(
      "network_g.ffn_expansion_factor", "Hidden channels of the feed-forward networks, a factor.",
      .positive(upTo: ModelConfiguration.largestExpansion), \.model.expansion),
    TrainingOption("network_g.bias", "Convolutions have a bias.", .truth, \.model.bias),
    TrainingOption(
      "network_g.LayerNorm_type", "The LayerNorm.",
      .choice(ModelConfiguration.Normalization.allCases.map { ($0, [$0.rawValue]) }),
      \.model.normalization),
    TrainingOption(
      "network_g.dual_pixel_task", "Two views in, one image out.", .truth, \.model.dualPixel),
    TrainingOption(
      "scale", "Factor of the image's size.", .whole(1...1), get: { _ in nil }, set: { _, _ in }),
    TrainingOption(
      "path.pretrain_network_g", flag: "pretrained", "Weights to start from.", .path,
      get: { $0.pretrained }, set: { $0.pretrained = $1.isEmpty ? nil : $1 }),
    TrainingOption(
      "path.param_key", flag: "param-key",
      "Which of several sets of weights in that file, such as params_ema.", .text,
      get: { $0.pretrainedKey },
      // The authors' files name what is taken without being asked for.
      set: { $0.pretrainedKey = ["", "params"].contains($1) ? nil : $1 }),
    TrainingOption(
      "path.resume_state", "A state to go on from.",
      .nothing("a run goes on by itself from its own folder"), set: { _, _ in }),
  ]

  private static let saving = [
    TrainingOption(
      "val.val_freq", flag: "val-every", "Steps between validations; 0 for once an epoch.",
      .whole(0...many), \.validationInterval),
    TrainingOption(
      "logger.save_checkpoint_freq", flag: "save-every", "Steps between checkpoints.",
      .whole(1...many), \.checkpointInterval),
    TrainingOption(
      "logger.save_checkpoint_minutes", flag: "save-minutes",
      "Minutes after which a state is saved in any case.", .number(0...1e6), \.checkpointMinutes),
    TrainingOption(
      "logger.keep_checkpoints", flag: "keep", "Newest checkpoints that are kept.",
      .whole(1...100_000), \.keptCheckpoints),
  ]

  /// Keys that matter to the authors' framework alone; those with a reason are named when they ask
  /// for something.
  private static let ignored =
    [
      TrainingOption(
        ignored: "num_gpu",
        "as many ranks train as mpirun or srun starts, each with batches of batch_size_per_gpu",
        unless: ["0", "auto", "\(RankGroup.current?.size ?? 1)"]),
      TrainingOption(
        ignored: "auto_resume", "a run goes on by itself; another name starts anew",
        unless: ["true"]),
      TrainingOption(
        ignored: "path.strict_load_g", "weights must fit the network as a whole", unless: ["true"]),
      TrainingOption(
        ignored: "path.experiments_root", "runs lie in the folder of --experiments", unless: []),
      TrainingOption(
        ignored: "path.root", "runs lie in the folder of --experiments", unless: []),
      TrainingOption(
        ignored: "path.models", "weights lie in the run's folder", unless: []),
      TrainingOption(
        ignored: "logger.wandb.project", "curves lie in the run's folder, for TensorBoard",
        unless: []),
      TrainingOption(
        ignored: "val.use_image", "images are scored as files of 8 bits hold them",
        unless: ["true"]),
    ] + backends + silent.map { TrainingOption(ignored: $0) }

  /// The section, and what people write in its place.
  private static let backends = ["train", "val"].flatMap { set in
    ["io_backend", "io_backend.type"].map { key in
      TrainingOption(
        ignored: "datasets.\(set).\(key)", "images are read from folders of files",
        unless: ["disk"])
    }
  }

  /// Keys that nobody misses.
  private static let silent: [String] =
    words(
      """
      model_type dist_params is_train dist rank world_size find_unused_parameters logger.wandb
      logger.print_freq
      logger.use_tb_logger val.window_size val.save_img val.rgb2bgr val.max_minibatch val.suffix
      val.pbar
      """) + loading.map { "datasets.train.\($0)" } + (loading + whole).map { "datasets.val.\($0)" }

  private static let loading = words(
    """
    name type mode num_worker_per_gpu dataset_enlarge_ratio prefetch_mode num_prefetch_queue
    pin_memory in_ch scale phase
    """)

  /// Of validation, where images are taken whole.
  private static let whole = words(
    """
    geometric_augs use_hflip use_rot use_shuffle gt_size batch_size_per_gpu gt_sizes
    mini_batch_sizes iters mean std
    """)

  private static func words(_ text: String) -> [String] {
    text.split(whereSeparator: \.isWhitespace).map { String($0) }
  }
}
