import Yams

extension TrainingOptions {
  /// Reads an options file with the key names of the authors' published YAML files.
  ///
  /// Keys that only concern their framework (`num_gpu`, `io_backend`, `dist_params`, ...) are
  /// accepted; those that ask for something are named in `ignored`.
  /// - Throws: `DataError` naming file and keys: unreadable YAML, unknown keys with the nearest
  ///   known ones, values of the wrong kind or out of bounds, a combination that makes no sense.
  public init(contentsOf path: String) throws {
    let file = try OptionsFile(contentsOf: path)
    self.init()
    if file.values.keys.contains(where: { $0.hasPrefix("network_g.") }) {
      model = ModelConfiguration()
    }
    var faults = file.faults
    for option in TrainingOption.all {
      guard let key = option.path, let value = file.values[key] else { continue }
      do {
        try option.read(value, &self)
      } catch {
        let fault = "\(key): \(error)"
        // With another network, loss or optimizer most keys are other ones.
        if key.hasSuffix(".type"), !option.isIgnored { throw DataError("\(path): \(fault)") }
        faults.append(fault)
      }
    }
    ignored += file.notes
    finishFolders()
    if faults.isEmpty, let fault { faults = [fault] }
    guard faults.isEmpty else { throw DataError("\(path): \(listed(faults))") }
  }

  /// A validation section without folders is none; clean images are degraded as those that are
  /// trained on.
  private mutating func finishFolders() {
    guard var held = validation else { return }
    if held.input == nil, held.noise == nil, held.degradation == nil {
      held.degradation = data.degradation
    }
    validation = held.input == nil && held.target == nil ? nil : held
  }
}

/// Some faults in one line.
private func listed(_ faults: [String]) -> String {
  let most = 12
  let rest = faults.count > most ? ["and \(faults.count - most) more"] : []
  return (faults.prefix(most) + rest).joined(separator: "; ")
}

/// The values of an options file by their paths, such as `train.optim_g.lr`.
struct OptionsFile {
  private(set) var values: [String: OptionValue] = [:]
  /// Unknown keys and sections that are none.
  private(set) var faults: [String] = []
  private(set) var notes: [String] = []
  /// The key of the validation set.
  private var validation: String?

  private static let paths = Set(TrainingOption.all.compactMap { $0.path })
  private static let sections = Set(paths.flatMap { ancestors(of: $0) })
  /// Sections any key of which is accepted.
  private static let ignored = Set(
    TrainingOption.all.filter { $0.isIgnored }.compactMap { $0.path })

  init(contentsOf path: String) throws {
    let root = try YAMLText.root(of: path)
    guard let mapping = root?.mapping else {
      throw DataError("\(path): no options in it, expected 'key: value' lines")
    }
    read(mapping, at: "")
    checkGroups()
  }

  private mutating func read(_ mapping: Node.Mapping, at section: String) {
    for (key, value) in mapping.merged where !value.isNull {
      // Anchors are often kept in sections of their own.
      if section.isEmpty, key.hasPrefix("x-") { continue }
      guard let path = self.path(of: key, in: section) else { continue }
      if Self.sections.contains(path), let inner = value.mapping {
        read(inner, at: path)
      } else if Self.sections.contains(path), !Self.paths.contains(path) {
        faults.append("\(path): \(OptionValue(value)), expected a section with keys of its own")
      } else if Self.paths.contains(path) {
        values[path] = OptionValue(value)
      } else if !Self.ancestors(of: path).contains(where: Self.ignored.contains) {
        faults.append(Self.unknown(key, in: section))
      }
    }
  }

  /// The path of a key; nil for a second validation set, which the authors' framework would take as
  /// well.
  private mutating func path(of key: String, in section: String) -> String? {
    guard section == "datasets", key == "val" || key.hasPrefix("val_") else {
      return section.isEmpty ? key : "\(section).\(key)"
    }
    guard validation == nil else {
      notes.append("datasets.\(key) has no effect: one set is validated on, the first")
      return nil
    }
    validation = key
    return "datasets.val"
  }

  /// Keys that mean nothing without one another.
  private mutating func checkGroups() {
    let groups = ["gt_sizes iters mini_batch_sizes", "sigma_range sigma_type"]
    for group in groups.map({ $0.split(separator: " ") }) {
      let missing = group.filter { values["datasets.train.\($0)"] == nil }
      guard !missing.isEmpty, missing.count < group.count else { continue }
      faults.append(
        "datasets.train: \(group.joined(separator: " and ")) belong together, "
          + "expected \(missing.joined(separator: " and ")) too")
    }
  }

  private static func ancestors(of path: String) -> [String] {
    let parts = path.split(separator: ".")
    return (1..<max(1, parts.count)).map { parts.prefix($0).joined(separator: ".") }
  }

  /// Names the known key that an unknown one is like: here or, where another section's is clearly
  /// more like it, there.
  private static func unknown(_ key: String, in section: String) -> String {
    let path = section.isEmpty ? key : "\(section).\(key)"
    // Another section's key that nothing comes of is no suggestion.
    let known = paths.union(sections).filter { other in
      !ignored.contains(other) || ancestors(of: other).last == ancestors(of: path).last
    }
    .map { path in
      let parts = path.split(separator: ".")
      return (section: parts.dropLast().joined(separator: "."), key: String(parts[parts.count - 1]))
    }
    func distance(_ other: (section: String, key: String)) -> Int {
      2 * editDistance(other.key, key) + (other.section == section ? 0 : 1)
    }
    let best = known.filter { isNear($0.key, key) }
      .min { (distance($0), $0.key, $0.section) < (distance($1), $1.key, $1.section) }
    guard let best else { return "unknown key \(path)" }
    let name = [section, ""].contains(best.section) ? best.key : "\(best.section).\(best.key)"
    return "unknown key \(path), did you mean \(name)?"
  }
}
