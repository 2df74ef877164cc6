import Dispatch
import Foundation

/// Remembers that the user or the system asked the program to stop; a second request ends it at once.
final class InterruptFlag: @unchecked Sendable {
  private let lock = NSLock()
  private var requested = false
  private var sources: [any DispatchSourceSignal] = []

  private let message: String

  /// - Parameter message: what is said at the first request.
  init(_ message: String = "finishing the step, then saving (once more to leave at once)") {
    self.message = message
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number, queue: DispatchQueue(label: "restormer.signals"))
      source.setEventHandler { [weak self] in self?.request(number) }
      source.resume()
      sources.append(source)
    }
  }

  var isSet: Bool { lock.withLock { requested } }

  private func request(_ number: Int32) {
    let isSecond = lock.withLock {
      defer { requested = true }
      return requested
    }
    if isSecond { _exit(128 + number) }
    Console.note(message)
  }
}
