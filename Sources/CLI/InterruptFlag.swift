import Dispatch
import Foundation

/// Calls `body` with the signal's number, on a queue of its own, when the user or the system asks the program to stop.
/// Lasts as long as the result.
private func onInterrupt(
  _ body: @escaping @Sendable (Int32) -> Void
) -> [any DispatchSourceSignal] {
  let queue = DispatchQueue(label: "restormer.signals")
  return [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
    source.setEventHandler { body(number) }
    source.resume()
    return source
  }
}

/// Remembers that the user or the system asked the program to stop; a second request ends it at once.
final class InterruptFlag: @unchecked Sendable {
  private let lock = NSLock()
  private var requested = false
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

  var isSet: Bool { lock.withLock { requested } }

  private func request(_ number: Int32) {
    let isSecond = lock.withLock {
      defer { requested = true }
      return requested
    }
    if isSecond { _exit(128 + number) }
    Console.note(message)
    onRequest()
  }
}

/// Lets a request to stop end the program at once, but never within a file: one that is being written is finished.
final class InterruptGuard: @unchecked Sendable {
  private let writing = NSLock()
  private var sources: [any DispatchSourceSignal] = []

  init() {
    sources = onInterrupt { [weak self] number in
      self?.writing.lock()
      if Console.isTerminal { Console.redraw("") }
      Console.note("interrupted")
      _exit(128 + number)
    }
  }

  /// Runs `body`, which writes a file, to its end.
  func whole<Result>(_ body: () throws -> Result) rethrows -> Result {
    try writing.withLock(body)
  }
}
