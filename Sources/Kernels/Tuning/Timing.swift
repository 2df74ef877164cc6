import Dispatch

/// Repeated timings of one thing, in seconds.
public struct Timing: Sendable {
  /// Every measured run, ascending.
  public let seconds: [Double]

  /// Sorts the runs.
  public init(_ seconds: [Double]) { self.seconds = seconds.sorted() }

  /// The middle run.
  public var median: Double { seconds[seconds.count / 2] }

  /// Half the distance between the quartiles, relative to the median.
  public var spread: Double {
    let quarter = seconds.count / 4
    return (seconds[seconds.count - 1 - quarter] - seconds[quarter]) / 2 / median
  }

  /// Runs `body` once to warm up, then until it was measured `repeats` times.
  public static func measure(repeats: Int, _ body: () throws -> Void) rethrows -> Timing {
    try body()
    return Timing(
      try (0..<max(1, repeats)).map { _ in
        let start = DispatchTime.now().uptimeNanoseconds
        try body()
        return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
      })
  }
}
