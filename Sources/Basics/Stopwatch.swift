/// Time since a moment, on a clock that nobody can set.
public struct Stopwatch: Sendable {
  private let start = ContinuousClock.now

  /// Starts at zero.
  public init() {}

  /// Seconds since the start, those of a machine at rest included.
  public var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
}
