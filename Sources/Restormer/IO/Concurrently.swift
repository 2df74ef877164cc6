import Foundation

/// Calls `body` for every item, `workers` at a time, and gives the results in the order of the
/// items.
/// - Throws: the fault of the first item that has one; items that have not been started by then are
///   left out.
package func concurrently<Item: Sendable, Output: Sendable, Fault: Error>(
  _ items: [Item], workers: Int, _ body: @Sendable (Item) throws(Fault) -> Output
) throws(Fault) -> [Output] {
  let queue = WorkQueue<Output, Fault>(count: items.count)
  DispatchQueue.concurrentPerform(iterations: max(1, min(workers, items.count))) { _ in
    while let index = queue.next() {
      queue.finish(index, Result { () throws(Fault) in try body(items[index]) })
    }
  }
  return try queue.results()
}

/// What is left to do, and what came out.
private final class WorkQueue<Output: Sendable, Fault: Error>: @unchecked Sendable {
  private let lock = NSLock()
  private var started = 0
  private var outcomes: [Result<Output, Fault>?]
  private var hasFailed = false

  init(count: Int) { outcomes = Array(repeating: nil, count: count) }

  func next() -> Int? {
    lock.withLock {
      guard started < outcomes.count, !hasFailed else { return nil }
      started += 1
      return started - 1
    }
  }

  func finish(_ index: Int, _ outcome: Result<Output, Fault>) {
    lock.withLock {
      outcomes[index] = outcome
      if case .failure = outcome { hasFailed = true }
    }
  }

  /// Items are started in order: before the first that was not there is one that failed.
  func results() throws(Fault) -> [Output] {
    var results: [Output] = []
    for outcome in lock.withLock({ outcomes }) {
      guard let outcome else { break }
      results.append(try outcome.get())
    }
    return results
  }
}
