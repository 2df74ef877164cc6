import Foundation
import Kernels
import XCTest

/// Work spread over cores.
final class ParallelForTests: XCTestCase {
  /// A number that several threads add to.
  private final class Total: @unchecked Sendable {
    private let lock = NSLock()
    private var sum = 0
    @discardableResult func add(_ amount: Int) -> Int {
      lock.withLock {
        sum += amount
        return sum
      }
    }
    var value: Int { add(0) }
  }

  /// Whether every index is met once.
  private static func meetsAll(_ count: Int, _ body: (Int) -> Void = { _ in }) -> Bool {
    var met = [Int32](repeating: 0, count: count)
    met.withUnsafeMutableBufferPointer { met in
      parallelFor(count) { index in
        met[index] += 1
        body(index)
      }
    }
    return met.allSatisfy { $0 == 1 }
  }

  func testEveryIndexIsMetOnce() {
    for count in [0, 1, 2, 3, 7, 1000] { XCTAssertTrue(Self.meetsAll(count), "\(count)") }
  }

  /// Thousands of short calls, some of them after the other threads have gone to sleep.
  func testManyShortCalls() {
    for round in 0..<20_000 {
      XCTAssertTrue(Self.meetsAll(1 + round % 5), "round \(round)")
      if round % 2000 == 0 { usleep(2000) }
    }
  }

  func testWorkWithinWork() {
    let inner = Total()
    XCTAssertTrue(
      Self.meetsAll(8) { index in
        if Self.meetsAll(50) { inner.add(1 << (4 * index)) }
      })
    XCTAssertEqual(inner.value, 0x1111_1111)
  }

  /// Several threads at once: one has the helpers, the others do without.
  func testCallsFromSeveralThreads() {
    let (failures, group) = (Total(), DispatchGroup())
    for _ in 0..<6 {
      group.enter()
      Thread.detachNewThread {
        for round in 0..<500 where !Self.meetsAll(round % 9) { failures.add(1) }
        group.leave()
      }
    }
    XCTAssertEqual(group.wait(timeout: .now() + 60), .success)
    XCTAssertEqual(failures.value, 0)
  }

  /// One of many tasks takes long: none of the others is left to the core that is busy with it.
  func testTasksGoToWhoeverIsFree() throws {
    try XCTSkipIf(WorkerThreads.count < 2, "one core")
    let (done, others) = (Total(), DispatchSemaphore(value: 0))
    var inTime = DispatchTimeoutResult.timedOut
    let all = Self.meetsAll(40) { index in
      if index == 0 {
        inTime = others.wait(timeout: .now() + 30)
      } else if done.add(1) == 39 {
        others.signal()
      }
    }
    XCTAssertTrue(all)
    XCTAssertEqual(inTime, .success)
  }
}
