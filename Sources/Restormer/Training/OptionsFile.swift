import Foundation
import Yams

extension TrainingOptions {
  /// Reads an options file with the key names of the authors' published YAML files.
  ///
  /// Keys that only concern their framework (`num_gpu`, `io_backend`, `dist_params`, ...) are accepted and have no
  /// effect.
  /// - Throws: `DataError` naming file and key: unreadable YAML, an unknown key with the nearest known one, a value of
  ///   the wrong kind, a combination that makes no sense.
  public init(contentsOf path: String) throws {
    let root = try YAMLText.parse(contentsOf: path) { try Yams.load(yaml: $0) }
    self.init()
    guard let values = root as? [String: Any] else {
      throw DataError("\(path): no options in it, expected 'key: value' lines")
    }
    let reader = OptionsReader(path: path, keyPath: "", values: values)
    try reader.checkKeys()
    try read(reader)
    if let fault { throw DataError("\(path): \(fault)") }
  }

  private mutating func read(_ file: OptionsReader) throws {
    name = try file.string("name") ?? name
    if let value = try file.integer("manual_seed") { seed = UInt64(clamping: value) }
    try readModel(file.section("network_g"))
    let training = file.section("datasets").section("train")
    data = try training.folders()
    try readSampling(training)
    let held = file.section("datasets").section("val")
    if !held.values.isEmpty {
      var folders = try held.folders()
      if folders.input == nil, folders.noise == nil, folders.degradation == nil {
        folders.degradation = data.degradation
      }
      if folders.input != nil || folders.target != nil { validation = folders }
    }
    try readPath(file.section("path"))
    try readOptimization(file.section("train"))
    if let value = try file.section("val").number("val_freq") {
      validationInterval = Int(clamping: Int64(max(0, min(value, 1e15))))
    }
    try readLogger(file.section("logger"))
  }

  private mutating func readModel(_ section: OptionsReader) throws {
    guard !section.values.isEmpty else { return }
    if let type = try section.string("type"), type != "Restormer" {
      throw section.fault("type", "'\(type)', expected Restormer")
    }
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

  private mutating func readSampling(_ section: OptionsReader) throws {
    if let value = try section.boolean("geometric_augs") { augment = value }
    if let value = try section.boolean("use_shuffle") { shuffle = value }
    let mean = try section.numbers("mean")
    let std = try section.numbers("std")
    if let given = mean ?? std {
      do {
        normalization = try ImageNormalization(
          checkingMean: (mean ?? given.map { _ in 0 }).map { Float($0) },
          std: (std ?? given.map { _ in 1 }).map { Float($0) })
      } catch {
        throw section.fault("mean", "\(error)")
      }
    }
    try readStages(section)
  }

  private mutating func readStages(_ section: OptionsReader) throws {
    if let value = try section.integer("gt_size") { stages[0].patch = value }
    if let value = try section.integer("batch_size_per_gpu") { stages[0].batch = value }
    let lists = try ["gt_sizes", "iters", "mini_batch_sizes"].map { try section.integers($0) }
    guard let sizes = lists[0], let iterations = lists[1], let batches = lists[2] else {
      if lists.contains(where: { $0 != nil }) {
        throw section.fault("gt_sizes", "expected gt_sizes, iters and mini_batch_sizes together")
      }
      return
    }
    guard sizes.count == iterations.count, sizes.count == batches.count, !sizes.isEmpty else {
      throw section.fault("gt_sizes", "gt_sizes, iters and mini_batch_sizes differ in length")
    }
    stages = sizes.indices.map {
      Stage(steps: iterations[$0], patch: sizes[$0], batch: batches[$0])
    }
  }

  private mutating func readPath(_ section: OptionsReader) throws {
    pretrained = try section.string("pretrain_network_g")
    pretrainedKey = try section.string("param_key")
    if let state = try section.string("resume_state") {
      throw section.fault(
        "resume_state", "'\(state)': a run goes on by itself from its own folder, leave this empty")
    }
  }

  private mutating func readLogger(_ section: OptionsReader) throws {
    if let value = try section.number("save_checkpoint_freq") {
      checkpointInterval = Int(max(1, min(value, 1e15)))
    }
    if let value = try section.number("save_checkpoint_minutes") {
      checkpointMinutes = max(0, value)
    }
    if let value = try section.integer("keep_checkpoints") { keptCheckpoints = max(1, value) }
  }
}

extension OptionsReader {
  /// The folders of a data set's section.
  fileprivate func folders() throws -> DataFolders {
    var folders = DataFolders(
      input: try string("dataroot_lq") ?? string("dataroot_lqL"),
      target: try string("dataroot_gt"))
    folders.right = try string("dataroot_lqR")
    if let list = try string("meta_info_file") {
      throw fault(
        "meta_info_file", "'\(list)': every image of the folders is taken, leave this empty")
    }
    if let template = try string("filename_tmpl") { folders.nameTemplate = template }
    folders.noise = try noise()
    folders.degradation = try degradation()
    return folders
  }

  private func degradation() throws -> DegradationRecipe? {
    do {
      return try string("degrade").map { try DegradationRecipe($0) }
    } catch let error as DataError where !error.description.hasPrefix(path) {
      throw fault("degrade", error.description)
    }
  }

  /// The noise of a denoiser's data: `sigma_range` by `sigma_type`, or for validation `sigma_test`.
  private func noise() throws -> GaussianNoise? {
    do {
      if let type = try string("sigma_type") {
        return try GaussianNoise(try level(type))
      }
      return try number("sigma_test").map { try GaussianNoise(.constant($0)) }
    } catch let error as DataError where !error.description.hasPrefix(path) {
      throw fault("sigma_range", error.description)
    }
  }

  private func level(_ type: String) throws -> GaussianNoise.Level {
    let single = try? number("sigma_range")
    let range = try single.map { [$0] } ?? numbers("sigma_range") ?? []
    switch (type, range.count) {
    case ("constant", 1): return .constant(range[0])
    case ("random", 2): return .random(from: range[0], to: range[1])
    case ("choice", 1...): return .choice(range)
    case ("constant", _), ("random", _), ("choice", _):
      throw fault("sigma_range", "\(range) does not fit sigma_type \(type)")
    default: throw fault("sigma_type", "'\(type)', expected constant, random or choice")
    }
  }
}
