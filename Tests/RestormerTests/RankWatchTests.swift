import Foundation
import Restormer
import XCTest

/// The watch of ranks over each other.
final class RankWatchTests: XCTestCase {
  /// Signs of life come once a second, also to a rank that answers each at once: two such sides
  /// would keep their processors busy with nothing else.
  func testSignsAreNotAnsweredBySigns() throws {
    let (ended, count) = (DispatchSemaphore(value: 0), Count())
    let watch = try RankWatch(rank: 0, hosts: ["here", "there"]) { offer in
      Thread.detachNewThread {
        defer { ended.signal() }
        guard let link = try? RankListener.connect(to: offer, as: 1) else { return }
        let end = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < end {
          link.send([0x2E])
          for case .bytes(let bytes) in RankLink.wait([link], milliseconds: 100)[0] ?? [] {
            count.value += bytes.count
          }
        }
        // The end of the work, so that the connection may close.
        link.send([0x44])
      }
      return offer
    }
    ended.wait()
    watch.close()
    XCTAssertGreaterThan(count.value, 0)
    XCTAssertLessThan(count.value, 6)
  }

  /// Written by one thread, read once that has ended.
  private final class Count: @unchecked Sendable { var value = 0 }
}
