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

  /// A job that is suspended goes on afterwards: silence is counted in signs given, not in time.
  func testSilenceIsCountedInSigns() throws {
    var ends: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends), 0)
    let (link, other) = (RankLink(rank: 1, socket: ends[0]), RankLink(rank: 0, socket: ends[1]))
    for _ in 0..<8 { link.giveSign() }
    XCTAssertFalse(link.isSilent(for: 8))
    link.giveSign()
    XCTAssertTrue(link.isSilent(for: 8))
    other.giveSign()
    _ = RankLink.wait([link], milliseconds: 1000)
    XCTAssertFalse(link.isSilent(for: 8))
  }

  /// Written by one thread, read once that has ended.
  private final class Count: @unchecked Sendable { var value = 0 }
}
