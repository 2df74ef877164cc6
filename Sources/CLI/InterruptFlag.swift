import Dispatch
import Foundation
import Restormer

/// Calls `body` with the signal's number, on a queue of its own, when the user or the system asks
/// the program to stop, or its terminal is closed. Lasts as long as the result.
private func onInterrupt(
  _ body: @escaping @Sendable (Int32) -> Void
) -> [any DispatchSourceSignal] {
  let queue = DispatchQueue(label: "restormer.signals")
  let numbers = [SIGINT, SIGTERM, SIGHUP]
  for number in numbers { signal(number, SIG_IGN) }
  return numbers.filter { $0 != SIGHUP || !Hangup.isIgnored }.map { number in
    let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
    source.setEventHandler { body(number) }
    source.resume()
    return source
  }
}

/// How the program was started to take the end of its terminal.
enum Hangup {
  /// Whether it is to be outlived, as `nohup` asks. Some drivers set handlers of their own: ask
  /// before one is loaded.
  static let isIgnored: Bool = {
    let before = signal(SIGHUP, SIG_IGN)
    signal(SIGHUP, before)
    return unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }()
}

/// Leaves as the shell expects it of a program that a signal ends.
private func leave(_ number: Int32) -> Never {
  if Console.isTerminal { Console.redraw("") }
  Console.note("interrupted")
  _exit(128 + number)
}

/// Remembers that the user or the system asked the program to stop; a second request ends it at
/// once. Requests that come together are one: what signals a launcher of ranks often signals the
/// ranks as well, and the launcher hands it on.
final class InterruptFlag: @unchecked Sendable {
  private let lock = NSLock()
  private var requested: Int32?
  /// Until when a request is part of the first one.
  private var togetherUntil = ContinuousClock.now
  private var leavesAtOnce = false
  private var sources: [any DispatchSourceSignal] = []

  private let message: String
  private let onRequest: @Sendable () -> Void

  /// - Parameters:
  ///   - message: what is said at the first request.
  ///   - onRequest: done at the first request.
  init(
    _ message: String = "finishing the step, then saving (once more to leave at once)",
    onRequest: @escaping @Sendable () -> Void = {}
  ) {
    (self.message, self.onRequest) = (message, onRequest)
    sources = onInterrupt { [weak self] in self?.request($0) }
  }

  /// Whether a request was made.
  var isSet: Bool { lock.withLock { requested != nil } }

  /// The exit code after a request: that of the signal.
  var code: Int32? { lock.withLock { requested.map { 128 + $0 } } }

  /// Whether a first request, too, may end the program at once: what is under way leaves nothing to
  /// lose. One that was made before ends it now.
  func leaveAtOnce(_ isHarmless: Bool) {
    lock.withLock {
      leavesAtOnce = isHarmless
      if isHarmless, let requested { leave(requested) }
    }
  }

  /// Learns from a run whether what it does may be broken off.
  func heed(_ event: TrainingEvent) {
    switch event {
    case .doing(_, let mayBreakOff): leaveAtOnce(mayBreakOff)
    case .note: break
    default: leaveAtOnce(false)
    }
  }

  private func request(_ number: Int32) {
    let isFirst = lock.withLock {
      // The lock is kept: nothing that would be lost can begin any more.
      if leavesAtOnce || requested != nil && ContinuousClock.now >= togetherUntil { leave(number) }
      guard requested == nil else { return false }
      (requested, togetherUntil) = (number, .now + .milliseconds(500))
      return true
    }
    guard isFirst else { return }
    Console.note(message)
    onRequest()
  }
}

/// Lets a request to stop end the program at once, but never within a file: one that is being
/// written is finished.
final class InterruptGuard: @unchecked Sendable {
  private let writing = NSLock()
  private var sources: [any DispatchSourceSignal] = []

  init() {
    sources = onInterrupt { [weak self] number in
      self?.writing.lock()
      leave(number)
    }
  }

  /// Runs `body`, which writes a file, to its end.
  func whole<Result>(_ body: () throws -> Result) rethrows -> Result {
    try writing.withLock(body)
  }
}
