extension TrainingOptions {
  /// Every option that says something, under its path in an options file, with its value as that
  /// file has it.
  ///
  /// It is what a run writes to its folder, and what is compared when a run goes on.
  public var entries: [(key: String, value: String)] {
    TrainingOption.all.compactMap { option in
      option.path.flatMap { path in option.write(self).map { (path, $0) } }
    }
  }

  /// The options as a file that `init(contentsOf:)` reads back to the same options.
  public var yaml: String { Self.lines(entries.map { ($0.key.split(separator: "."), $0.value) }) }

  private static func lines(_ entries: [(path: [Substring], value: String)], _ depth: Int = 0)
    -> String
  {
    var (text, open) = ("", Set<Substring>())
    for (path, value) in entries where open.insert(path[0]).inserted {
      let inner = entries.filter { $0.path[0] == path[0] }.map { ($0.path.dropFirst(), $0.value) }
      text += String(repeating: "  ", count: depth) + path[0] + ":"
      text +=
        path.count == 1 ? " \(value)\n" : "\n" + lines(inner.map { (Array($0), $1) }, depth + 1)
    }
    return text
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
}

extension TrainingOptions {
  /// The options of a command line, or of a run of a sweep.
  ///
  /// - Parameter settings: values by the names of their flags; `options` names a file that the
  ///   others override.
  /// - Throws: `DataError` naming the flag, its value and what was expected; as
  ///   `init(contentsOf:)`.
  public init(settings: [String: String]) throws {
    self.init()
    for option in TrainingOption.all {
      guard let flag = option.flag, let text = settings[flag] else { continue }
      do {
        try option.read(.text(text), &self)
      } catch let error as DataError where flag != "options" {
        throw DataError("--\(flag): \(error)")
      }
    }
    guard data.input != nil || data.target != nil else {
      throw DataError("no images to train on: --data or --options is needed")
    }
    if let fault { throw DataError(fault) }
  }
}

extension TrainingOptions {
  /// What a user would not expect of these options, a line each.
  public var notes: [String] { ignored + [rate.note(steps: totalSteps)].compactMap { $0 } }
}

extension TrainingOption {
  /// Whether the options at `path` decide what weights become in a number of steps.
  fileprivate static func shapesWeights(_ path: Substring) -> Bool {
    let others = ["train.total_iter", "train.recompute", "datasets.train.iters"]
    return path == "manual_seed"
      || !others.contains(String(path))
        && ["datasets.train.", "network_g.", "path.", "train."].contains { path.hasPrefix($0) }
  }
}

extension Checkpoint {
  /// Old weights must not pass for those of other options; `folder` is the run's.
  /// - Throws: `DataError` when no step of `options` is left to do, but the done ones were done
  ///   with other data, loss, rate and the like, or by a run that finished with more steps.
  func checkEnd(of options: TrainingOptions, folder: String) throws {
    guard progress.step >= options.totalSteps else { return }
    let changes = changes(to: options).filter {
      TrainingOption.shapesWeights($0.prefix { $0 != ":" })
    }
    if !changes.isEmpty {
      throw DataError(
        "\(folder): finished after step \(progress.step) with other options "
          + "(\(changes.joined(separator: "; "))): choose another --name to train with these")
    }
    if isFinished, progress.step > options.totalSteps {
      throw DataError(
        "\(folder): finished after step \(progress.step), \(options.totalSteps) (--steps) "
          + "are fewer: choose another --name to train so many")
    }
  }

  /// Whether its own options have no step left.
  private var isFinished: Bool {
    options["train.total_iter"].flatMap { Int($0) }.map { progress.step >= $0 } ?? false
  }
}
