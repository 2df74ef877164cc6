/// The time of whole passes as a share of what something else takes for them: below 1 is faster.
public struct RelativeTime: Hashable, Sendable {
  /// Restoring an image.
  public var restoring: Double
  /// A training step.
  public var training: Double

  /// The two shares.
  public init(restoring: Double, training: Double) {
    (self.restoring, self.training) = (restoring, training)
  }

  /// The share of the time that a purpose takes; `examining` has none.
  public subscript(purpose: DevicePurpose) -> Double? {
    switch purpose {
    case .restoring: restoring
    case .training: training
    case .examining: nil
    }
  }

  /// Whether it is worth a change: faster in all, and in neither pass slower beyond noise.
  package var isGain: Bool {
    restoring * training < 0.98 && max(restoring, training) < 1.02
  }

  /// `0.93 (restoring) and 0.88 (training)`.
  public var summary: String {
    "\(Self.share(restoring)) (restoring) and \(Self.share(training)) (training)"
  }

  /// As in `summary`, to be read back by `init(text:)`.
  var text: String { "\(restoring) \(training)" }

  /// Two positive numbers, or nil.
  init?(text: String) {
    let numbers = text.split(separator: " ").compactMap { Double($0) }
    guard numbers.count == 2, numbers.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
    self.init(restoring: numbers[0], training: numbers[1])
  }

  private static func share(_ value: Double) -> String {
    "\((value * 100).rounded() / 100)"
  }
}

/// What a device is wanted for.
public enum DevicePurpose: Sendable {
  /// Restoring images: the first is waited for.
  case restoring
  /// Training.
  case training
  /// Looking at drivers and their devices.
  case examining
}
