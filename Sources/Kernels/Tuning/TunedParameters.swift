/// The numbers that a tuner chose for one device, by operator and rectangle.
public struct TunedParameters: Hashable, Sendable {
  /// The choices; a default that nothing beats is chosen explicitly, as no numbers.
  public private(set) var choices: [TuningKey: TunedSettings] = [:]
  /// Numbers that hold for all operators, whatever was chosen: for the tuner's trials and for checks.
  var forced: TunedSettings = [:]

  /// No choices: the defaults hold.
  public init() {}

  /// Whether nothing was chosen.
  public var isEmpty: Bool { choices.isEmpty && forced.isEmpty }

  /// Everything chosen for an operator called `family`, each once.
  public func settings(of family: String) -> [TunedSettings] {
    Set(choices.filter { $0.key.family == family }.map(\.value))
      .filter { !$0.isEmpty }.sorted { describe($0) < describe($1) }
  }

  /// Chooses `settings` for `key`.
  public mutating func choose(_ settings: TunedSettings, for key: TuningKey) {
    choices[key] = settings
  }

  /// The choices with those of `other` over them.
  public func merging(_ other: TunedParameters) -> TunedParameters {
    var result = self
    result.choices.merge(other.choices) { $1 }
    return result
  }

  /// What holds for `key`: the choice for it, or else that for the same channels and the nearest number of pixels.
  func settings(for key: TuningKey) -> TunedSettings {
    if !forced.isEmpty { return forced }
    if let exact = choices[key] { return exact }
    func distance(_ other: TuningKey) -> (Int, Int) { (abs(other.scale - key.scale), other.scale) }
    let similar = choices.filter {
      $0.key.family == key.family && $0.key.channels == key.channels
    }
    return similar.min { distance($0.key) < distance($1.key) }?.value ?? [:]
  }
}

extension TunedParameters {
  /// One line per choice, sorted: `Conv1x1 48x144 16: blockRows=8 blockVectors=3 vectorWidth=16`.
  public var text: String {
    choices.map { "\($0.key): \(describe($0.value))" }.sorted().joined(separator: "\n")
  }

  /// Reads `text`. A line that today's tuner could not have written, because an operator or its numbers changed, is left out.
  public init(text: String, for traits: DeviceTraits) {
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let key = TuningKey(parts[0]),
        let settings = Self.settings(parts[1]),
        settings.isEmpty || Self.space(key).candidates(for: traits).contains(settings)
      else { continue }
      choices[key] = settings
    }
  }

  private static func space(_ key: TuningKey) -> TuningSpace {
    OpCatalog.operators.first { $0.name == key.family }?.tuning ?? .none
  }

  private static func settings(_ text: Substring) -> TunedSettings? {
    var settings: TunedSettings = [:]
    for field in text.split(separator: " ") {
      let pair = field.split(separator: "=")
      guard pair.count == 2, let tunable = Tunable(rawValue: String(pair[0])),
        let value = Int(pair[1])
      else { return nil }
      settings[tunable] = value
    }
    return settings
  }
}

/// Chosen numbers as text: `blockRows=8 blockVectors=3`.
public func describe(_ settings: TunedSettings) -> String {
  settings.map { "\($0.key.rawValue)=\($0.value)" }.sorted().joined(separator: " ")
}
