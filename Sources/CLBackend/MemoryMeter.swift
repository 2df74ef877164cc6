import Foundation

/// Counts the bytes of allocations that are in use. Safe from any thread.
package final class MemoryMeter: @unchecked Sendable {
  private let lock = NSLock()
  private var inUse = 0

  package init() {}

  /// Bytes in use.
  package var bytes: Int { lock.withLock { inUse } }

  package func add(_ bytes: Int) { lock.withLock { inUse += bytes } }
}
