import Foundation
import Kernels
import XCTest

/// Bounded threads do all of the work.
final class WorkerThreadsTests: XCTestCase {
  override func tearDown() { WorkerThreads.limit(to: .max) }

  /// How often each index came, and on how many threads at most.
  private func work(_ count: Int) -> (calls: [Int], threads: Int) {
    let seen = Seen(count)
    parallelFor(count) { index in
      seen.note(index)
      usleep(500)
    }
    return (seen.calls, seen.threads.count)
  }

  func testEveryIndexComesOnceWithAnyNumberOfThreads() {
    for limit in [1, 2, 3, Int.max] {
      WorkerThreads.limit(to: limit)
      for count in [0, 1, 2, 7, 40] {
        let (calls, threads) = work(count)
        XCTAssertEqual(calls, [Int](repeating: 1, count: count), "\(limit) threads")
        if limit == 1 { XCTAssertLessThanOrEqual(threads, 1) }
      }
    }
  }

  func testOneThreadIsTheCallersOwn() {
    WorkerThreads.limit(to: 1)
    let caller = pthread_self()
    parallelFor(9) { _ in XCTAssertEqual(pthread_self(), caller) }
  }

  private final class Seen: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var calls: [Int]
    private(set) var threads: Set<UInt> = []

    init(_ count: Int) { calls = [Int](repeating: 0, count: count) }

    func note(_ index: Int) {
      lock.withLock {
        calls[index] += 1
        threads.insert(UInt(pthread_self()))
      }
    }
  }
}
