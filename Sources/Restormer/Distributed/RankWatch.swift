import Foundation

/// Notices when a rank of the job fails, is killed or loses its host, and ends the job.
///
/// MPI's own sums wait for ever for a rank that is gone. Each rank therefore keeps a connection to
/// rank 0, over which both sides give a sign of life every second. A connection that closes, or
/// eight signs without one in return, end the job; rank 0 says why in one line, or rank 1 if it is
/// rank 0 that is gone.
package final class RankWatch: @unchecked Sendable {
  private static let silence = 8

  private enum Sign: UInt8 {
    /// The rank has done its work.
    case done = 0x44
    /// Rank 0 has already said why the job ends; the exit code follows.
    case ending = 0x45
    /// A text follows, up to a newline: why the rank fails.
    case failing = 0x46
  }

  private let rank: Int
  private let hosts: [String]
  private let lock = NSLock()
  private let ending = NSLock()
  private var links: [RankLink]
  private var isEnding = false
  /// Standard error as it was, for the last line of a rank that is otherwise silent.
  private let errors = dup(STDERR_FILENO)

  /// Connects every rank with rank 0.
  /// - Parameter offer: gives rank 0's addresses to all ranks.
  /// - Throws: `RankError` when a rank cannot be reached.
  package init(rank: Int, hosts: [String], offer: ([UInt8]) throws -> [UInt8]) throws {
    (self.rank, self.hosts) = (rank, hosts)
    if rank == 0 {
      let listener = try RankListener()
      _ = try offer(listener.offer)
      links = try listener.accept(ranks: hosts.count)
    } else {
      links = [try RankListener.connect(to: try offer([]), as: rank)]
    }
    // A rank that is gone must not end this one by a signal when it is written to.
    signal(SIGPIPE, SIG_IGN)
    let thread = Thread { [self] in watch() }
    thread.name = "restormer.ranks"
    thread.start()
  }

  /// The work is done: from now on connections may close.
  package func close() {
    lock.withLock { isEnding = true }
    for link in links { link.send([Sign.done.rawValue]) }
  }

  /// Tells the job why this rank fails and ends the process.
  func fail(_ cause: String, code: Int32) -> Never {
    lock.withLock { isEnding = true }
    let line = cause.split(whereSeparator: \.isNewline).joined(separator: "; ")
    if rank == 0 {
      end("rank 0 on \(hosts[0]): \(line)", code: code)
    }
    links[0].send([Sign.failing.rawValue] + Array("\(code) \(line)\n".utf8))
    // Rank 0 says it and ends the job; if it is gone too, this rank does not wait for it.
    sleep(3)
    _exit(code)
  }

  private func watch() {
    var next = ContinuousClock.now
    while true {
      let signs = RankLink.wait(links, milliseconds: 1000)
      if lock.withLock({ isEnding }) { return }
      // A sign for every sign that comes would send the two sides' back and forth without a pause.
      let isTime = ContinuousClock.now >= next
      if isTime { next = .now + .seconds(1) }
      for link in links {
        for sign in signs[link.rank] ?? [] { heard(sign, from: link) }
        if link.isSilent(for: Self.silence) {
          JobLauncher()?.endSoon()
          lost(link)
        }
        if isTime { link.giveSign() }
      }
    }
  }

  private func heard(_ bytes: RankLink.Received, from link: RankLink) {
    switch bytes {
    case .closed: if !link.isDone { lost(link) }
    case .bytes(let bytes):
      for byte in bytes { heard(byte, from: link) }
    }
  }

  private func heard(_ byte: UInt8, from link: RankLink) {
    if link.isEnding { _exit(Int32(byte)) }
    if link.failure != nil {
      if byte != 0x0A { return link.failure!.append(byte) }
      let text = String(decoding: link.failure!, as: UTF8.self)
      let parts = text.split(separator: " ", maxSplits: 1)
      let code = parts.first.flatMap { Int32($0) } ?? 1
      end("rank \(link.rank) on \(hosts[link.rank]): \(parts.last ?? "")", code: code)
    }
    switch Sign(rawValue: byte) {
    case .done: link.isDone = true
    case .ending: link.isEnding = true
    case .failing: link.failure = []
    case nil: break
    }
  }

  private func lost(_ link: RankLink) {
    let line = "rank \(link.rank) on \(hosts[link.rank]): killed, or its host cannot be reached"
    if rank <= 1 { end(line, code: 1) }
    _exit(1)
  }

  private func end(_ line: String, code: Int32) -> Never {
    // This rank and another may fail at the same time: whoever comes second waits for the end.
    ending.lock()
    let text = Array("error: \(line)\n".utf8)
    _ = text.withUnsafeBytes { write(errors, $0.baseAddress, $0.count) }
    for link in links { link.send([Sign.ending.rawValue, UInt8(truncatingIfNeeded: code)]) }
    _exit(code)
  }
}
