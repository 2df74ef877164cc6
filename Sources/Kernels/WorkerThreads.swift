import CLBackend
import Foundation

/// How many threads compute at once on the machine's own processor: those of the CPU backend, and of PoCL.
public enum WorkerThreads {
  /// Written once, before anything computes.
  nonisolated(unsafe) private(set) static var limit = Int.max

  /// How many there are: as many as there are cores, unless they were bounded.
  public static var count: Int { min(limit, ProcessInfo.processInfo.activeProcessorCount) }

  /// Bounds them for this process. PoCL heeds it only where none of its devices has been looked for yet.
  /// - Parameter count: at least 1; more than there are cores changes nothing.
  public static func limit(to count: Int) {
    precondition(count > 0, "WorkerThreads: \(count) threads")
    limit = count < ProcessInfo.processInfo.activeProcessorCount ? count : .max
    if limit < .max { PoCL.limitThreads(to: count) }
  }
}
