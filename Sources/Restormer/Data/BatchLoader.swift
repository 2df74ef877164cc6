import Foundation

/// Prepares batches on other threads, a few ahead of their use, in a fixed order.
package final class BatchLoader: @unchecked Sendable {
  /// Which batch: its number in the run, the position of its first patch, how it is cut.
  package struct Request: Sendable, Hashable {
    let index: Int
    let first: Int
    let options: PatchOptions

    /// Batch number `index` with patches from position `first` on.
    package init(index: Int, first: Int, options: PatchOptions) {
      (self.index, self.first, self.options) = (index, first, options)
    }
  }

  /// Steps whose batches a run has made ready, the one under way among them.
  static let stepsAhead = 3

  private let sampler: PatchSampler
  private let queues: [DispatchQueue]
  private let lock = NSLock()
  private var ready: [Request: Result<PatchSampler.Result, any Error>] = [:]
  private var pending: [Request: DispatchSemaphore] = [:]

  /// Loads batches of `sampler` on `threads` threads; their number does not change the batches.
  package init(_ sampler: PatchSampler, threads: Int = 2) {
    self.sampler = sampler
    queues = (0..<max(1, threads)).map {
      DispatchQueue(label: "restormer.batches.\($0)", qos: .utility)
    }
  }

  /// Starts to prepare batches that will be asked for.
  package func prepare(_ requests: [Request]) {
    for request in requests { enqueue(request) }
  }

  /// The batch; waits if it is not ready yet.
  /// - Throws: `DataError` when images cannot be read.
  package func batch(_ request: Request) throws -> PatchSampler.Result {
    let done = enqueue(request)
    done.wait()
    let result = lock.withLock {
      pending[request] = nil
      return ready.removeValue(forKey: request)
    }
    guard let result else { throw DataError("batch \(request.index) was lost") }
    return try result.get()
  }

  @discardableResult
  private func enqueue(_ request: Request) -> DispatchSemaphore {
    lock.withLock {
      if let known = pending[request] { return known }
      let done = DispatchSemaphore(value: 0)
      pending[request] = done
      queues[request.index % queues.count].async { [self] in
        let result = Result {
          try sampler.batch(index: request.index, first: request.first, request.options)
        }
        lock.withLock { ready[request] = result }
        done.signal()
      }
      return done
    }
  }
}
