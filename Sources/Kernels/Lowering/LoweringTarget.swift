/// What a graph is wanted for.
public enum Purpose: String, Sendable {
  /// Results only.
  case inference
  /// Results and their gradients.
  case training
}

/// How far a plan goes to take less memory; each step takes more time than the one before.
public enum MemorySaving: Int, CaseIterable, Comparable, Sendable {
  /// Whatever is fastest.
  case none
  /// Bands of rows, also on devices that are faster without.
  case bands
  /// In bands, and v of the attention computed twice.
  case values

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What a recording is lowered for.
public struct LoweringTarget: Sendable {
  /// What the device is like.
  public let traits: DeviceTraits
  /// What the graph is wanted for.
  public let purpose: Purpose
  /// How far to go to take less memory.
  public let saving: MemorySaving
  /// How activations and their gradients lie in memory where the device's kernels can choose.
  /// Gradients of half precision want a loss that is scaled.
  public let precision: Precision
  /// The rules that may be used.
  public let rules: RuleSelection

  /// Lowering for a device and a purpose.
  public init(
    _ traits: DeviceTraits, _ purpose: Purpose, saving: MemorySaving = .none,
    precision: Precision = .float, rules: RuleSelection
  ) {
    (self.traits, self.purpose, self.saving, self.rules) = (traits, purpose, saving, rules)
    self.precision = precision
  }

  /// Whether chains of operators run in bands of rows: for the caches of a CPU, elsewhere only to
  /// save memory.
  var takesBands: Bool { purpose == .inference && (traits.isCPU || saving >= .bands) }

  /// v of the attention is kept for a whole image up to so many bytes. Larger ones are rare and
  /// take most of the memory of a picture's restoration; computing them again costs a tenth of the
  /// time of the blocks concerned.
  private static var mostKeptBytes: Int { 2 << 30 }

  /// Whether v of a map `[n, c, h, w]` is kept for the whole image rather than computed twice.
  func keepsValues(_ map: Shape) -> Bool {
    saving < .values && map.c * map.h * map.w * (storesHalf ? 2 : 4) <= Self.mostKeptBytes
  }

  /// Whether activations and their gradients are stored as half.
  var storesHalf: Bool { precision == .half && traits.storesHalf }
}
