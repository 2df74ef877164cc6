import Basics
import Foundation
import Kernels

/// A value that another thread is working out.
final class Later<Value>: @unchecked Sendable {
  private let done = DispatchGroup()
  private var result: Result<Value, any Error>?
  /// How long it took; to be asked for when the value is there.
  private(set) var seconds = 0.0

  /// Starts `body` at once. What it uses, nobody else may use until the value is there.
  init(_ body: @escaping () throws -> Value) {
    done.enter()
    nonisolated(unsafe) let work = { [self] in
      let clock = Stopwatch()
      result = Result { try body() }
      seconds = clock.seconds
      done.leave()
    }
    DispatchQueue.global(qos: .userInitiated).async { work() }
  }

  /// Waits for the value.
  /// - Throws: what working it out threw.
  func value() throws -> Value {
    done.wait()
    guard let result else { preconditionFailure("Later: no result") }
    return try result.get()
  }

  /// Whether the value is there.
  var isThere: Bool { done.wait(timeout: .now()) == .success }
}
