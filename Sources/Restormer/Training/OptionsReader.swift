import Foundation

/// Typed access to one section of an options file; every error names the file and the key's path.
struct OptionsReader {
  let path: String
  let keyPath: String
  let values: [String: Any]

  func section(_ key: String) -> OptionsReader {
    OptionsReader(
      path: path, keyPath: full(key), values: values[key] as? [String: Any] ?? [:])
  }

  func string(_ key: String) throws -> String? {
    guard let value = present(key) else { return nil }
    guard let text = value as? String else { throw fault(key, "\(value), expected a text") }
    return text
  }

  func integer(_ key: String) throws -> Int? {
    guard let value = present(key) else { return nil }
    if let number = value as? Int { return number }
    guard let number = value as? Double, let whole = Int(exactly: number) else {
      throw fault(key, "\(value), expected a whole number")
    }
    return whole
  }

  func number(_ key: String) throws -> Double? { try present(key).map { try number($0, key) } }

  func boolean(_ key: String) throws -> Bool? {
    guard let value = present(key) else { return nil }
    guard let flag = value as? Bool else { throw fault(key, "\(value), expected true or false") }
    return flag
  }

  func integers(_ key: String) throws -> [Int]? {
    guard let value = present(key) else { return nil }
    guard let list = value as? [Int] else {
      throw fault(key, "\(value), expected a list of whole numbers")
    }
    return list
  }

  func numbers(_ key: String) throws -> [Double]? {
    guard let value = present(key) else { return nil }
    guard let list = value as? [Any] else {
      throw fault(key, "\(value), expected a list of numbers")
    }
    return try list.map { try number($0, key) }
  }

  func fault(_ key: String, _ text: String) -> DataError {
    DataError("\(path): \(full(key)): \(text)")
  }

  private func number(_ value: Any, _ key: String) throws -> Double {
    if let number = value as? Double { return number }
    if let number = value as? Int { return Double(number) }
    // YAML 1.1 takes 3e-4 for a text: a number in this format needs a dot.
    if let text = value as? String, let number = Double(text) { return number }
    throw fault(key, "\(value), expected a number")
  }

  /// A value that is there and not null (`~`).
  private func present(_ key: String) -> Any? { values[key].flatMap { isNull($0) ? nil : $0 } }

  private func isNull(_ value: Any) -> Bool {
    if case Optional<Any>.none = value as Any? { return true }
    return value is NSNull
  }

  private func full(_ key: String) -> String { keyPath.isEmpty ? key : "\(keyPath).\(key)" }

  /// - Throws: `DataError` for the first key that the format does not have.
  func checkKeys() throws { try check(values, against: OptionKeys.all, at: "") }

  private func check(_ values: [String: Any], against known: OptionKeys, at place: String) throws {
    guard case .section(let keys) = known else { return }
    for (key, value) in values.sorted(by: { $0.key < $1.key }) {
      let name = place.isEmpty ? key : "\(place).\(key)"
      guard let inner = keys[key] else {
        throw DataError(
          "\(path): unknown key \(name), did you mean \(nearest(to: key, at: place))?")
      }
      guard case .section = inner, !isNull(value) else { continue }
      guard let section = value as? [String: Any] else {
        throw DataError("\(path): \(name): \(value), expected a section with keys of its own")
      }
      try check(section, against: inner, at: name)
    }
  }

  /// The known key that is most like an unknown one, here or, where another section's is clearly more like it, there.
  private func nearest(to key: String, at place: String) -> String {
    func isWorse(_ known: (section: String, key: String)) -> (Int, String, String) {
      let isElsewhere = known.section == place ? 0 : 1
      return (2 * editDistance(known.key, key) + isElsewhere, known.key, known.section)
    }
    guard let best = OptionKeys.all.paths().min(by: { isWorse($0) < isWorse($1) }) else {
      return ""
    }
    return best.section == place || best.section.isEmpty ? best.key : "\(best.section).\(best.key)"
  }
}

/// The keys of the authors' options files.
indirect enum OptionKeys: Sendable {
  /// A section with the keys it may have.
  case section([String: OptionKeys])
  /// A value, or a section that has no effect here.
  case any

  /// Every key with the path of its section.
  fileprivate func paths(in section: String = "") -> [(section: String, key: String)] {
    guard case .section(let keys) = self else { return [] }
    return keys.flatMap { key, inner in
      [(section, key)] + inner.paths(in: section.isEmpty ? key : "\(section).\(key)")
    }
  }

  private static func keys(_ names: String) -> [String: OptionKeys] {
    Dictionary(uniqueKeysWithValues: names.split(separator: " ").map { (String($0), .any) })
  }

  private static let dataset = keys(
    """
    name type mode dataroot_gt dataroot_lq dataroot_lqL dataroot_lqR geometric_augs filename_tmpl io_backend use_shuffle \
    num_worker_per_gpu batch_size_per_gpu mini_batch_sizes iters gt_size gt_sizes dataset_enlarge_ratio prefetch_mode \
    num_prefetch_queue pin_memory mean std in_ch sigma_type sigma_range sigma_test degrade scale phase meta_info_file
    """)

  static let all = OptionKeys.section(
    keys("name model_type scale num_gpu manual_seed dist_params is_train dist rank world_size")
      .merging([
        "datasets": .section(["train": .section(dataset), "val": .section(dataset)]),
        "network_g": .section(
          keys(
            """
            type inp_channels out_channels dim num_blocks num_refinement_blocks heads ffn_expansion_factor bias \
            LayerNorm_type dual_pixel_task
            """)),
        "path": .section(
          keys(
            "pretrain_network_g strict_load_g resume_state root experiments_root models param_key")),
        "train": .section(
          keys(
            "total_iter warmup_iter use_grad_clip grad_clip_norm ema_decay accumulate recompute"
          ).merging([
            "scheduler": .section(
              keys("type periods restart_weights eta_mins T_max eta_min gamma milestones")),
            "mixing_augs": .section(keys("mixup mixup_beta use_identity")),
            "optim_g": .section(keys("type lr weight_decay betas momentum eps")),
            "pixel_opt": .section(keys("type loss_weight reduction eps")),
          ]) { $1 }),
        "val": .section(
          keys("window_size val_freq save_img rgb2bgr use_image max_minibatch metrics suffix")),
        "logger": .section(
          keys(
            """
            print_freq save_checkpoint_freq save_checkpoint_minutes keep_checkpoints use_tb_logger wandb
            """)),
      ]) { $1 })
}
