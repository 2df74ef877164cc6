import Foundation

/// A connection between rank 0 and another rank.
package final class RankLink {
  /// The rank at the other end.
  let rank: Int
  /// Whether the other end has said that it is done.
  var isDone = false
  /// Whether the other end has said that the job ends.
  var isEnding = false
  /// What has come of the other end's last words.
  var failure: [UInt8]?
  private let socket: Int32
  /// Signs of life given since the other end was heard.
  private var unanswered = 0

  package init(rank: Int, socket: Int32) { (self.rank, self.socket) = (rank, socket) }

  deinit { close(socket) }

  /// What came from the other end.
  package enum Received {
    case bytes([UInt8])
    case closed
  }

  /// Gives a sign of life.
  package func giveSign() {
    send([0x2E])
    unanswered += 1
  }

  /// Whether `signs` signs were given without one in return. It is not time that counts: a job that
  /// is suspended gives none meanwhile, and goes on afterwards.
  package func isSilent(for signs: Int) -> Bool { !isDone && unanswered > signs }

  /// Sends a few bytes, or none if the other end does not take them.
  package func send(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes {
      Glibc.send(
        socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }
  }

  /// Waits until something comes, and gives it by rank.
  package static func wait(_ links: [RankLink], milliseconds: Int32) -> [Int: [Received]] {
    let open = links.filter { !$0.isDone }
    var entries = open.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
    poll(&entries, nfds_t(entries.count), milliseconds)
    var result: [Int: [Received]] = [:]
    for (link, entry) in zip(open, entries) where entry.revents != 0 {
      result[link.rank] = [link.receive()]
    }
    return result
  }

  private func receive() -> Received {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return .closed }
    unanswered = 0
    return .bytes(Array(bytes.prefix(max(0, count))))
  }
}
