import CLBackend
import Foundation

/// How many threads compute at once on the machine's own processor: those of the CPU backend, and
/// of PoCL.
public enum WorkerThreads {
  /// Written once, before anything computes.
  nonisolated(unsafe) private(set) static var limit = granted < cores ? granted : Int.max

  /// How many there are: as many as the process may keep busy, unless they were bounded.
  public static var count: Int { min(limit, cores) }

  /// Bounds them for this process. PoCL heeds it only where none of its devices has been looked for
  /// yet.
  /// - Parameter count: at least 1; more than there are cores changes nothing.
  public static func limit(to count: Int) {
    precondition(count > 0, "WorkerThreads: \(count) threads")
    limit = count < cores ? count : .max
    limitPoCL()
  }

  /// PoCL asks the machine for its cores, not the process.
  static func limitPoCL() {
    if limit < .max { PoCL.limitThreads(to: limit) }
  }

  private static let cores = ProcessInfo.processInfo.activeProcessorCount

  /// Cores that the process is bound to (`taskset`, `mpirun`) and its container's share of them.
  private static let granted = max(
    1, [bound, ControlGroup().cores, cores].compactMap { $0 }.min() ?? 1)

  /// The bits of a mask in hexadecimal digits.
  private static var bound: Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
    else { return nil }
    let digits = line.drop { $0 != ":" }.compactMap(\.hexDigitValue)
    return digits.reduce(0) { $0 + $1.nonzeroBitCount }
  }
}
