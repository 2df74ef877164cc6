import Foundation

/// A listening TCP socket that gives each connection a thread of its own, up to a number.
final class Listener: @unchecked Sendable {
  /// The port in use, also where 0 was asked for.
  let port: Int

  private let descriptor: Int32
  private let patience: Connection.Patience
  private let mostConnections: Int
  private let lock = NSCondition()
  private var open: [ObjectIdentifier: Connection] = [:]
  private var isStopped = false

  /// Listens at a numeric address.
  /// - Throws: `ServeError` when it cannot.
  init(
    _ address: SocketAddress, mostConnections: Int, patience: Connection.Patience
  ) throws(ServeError) {
    self.patience = patience
    // The rest of the program needs descriptors of its own, and without them it ends.
    self.mostConnections = min(mostConnections, max(1, sysconf(Int32(_SC_OPEN_MAX)) - 64))
    descriptor = try address.listen()
    port = SocketAddress.port(of: descriptor)
  }

  deinit { close(descriptor) }

  /// Accepts until `stop`, then waits until every connection has ended.
  /// - Parameter serve: called for each connection on its own thread.
  func run(_ serve: @escaping @Sendable (Connection) -> Void) {
    while !lock.withLock({ isStopped }) {
      var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&request, 1, 200) > 0 else { continue }
      let accepted = accept(descriptor, nil, nil)
      guard accepted >= 0 else {
        // Out of descriptors: others have to end first.
        usleep(20_000)
        continue
      }
      _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
      let connection = Connection(accepted, patience)
      guard admit(connection) else {
        try? connection.send(.init(.tooBusy), withBody: true)
        continue
      }
      let thread = Thread { [self] in
        serve(connection)
        dismiss(connection)
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
    lock.withLock { while !open.isEmpty { lock.wait() } }
  }

  /// Ends all connections and `run`.
  func stop() {
    lock.withLock {
      isStopped = true
      for connection in open.values { connection.interrupt() }
    }
  }

  private func admit(_ connection: Connection) -> Bool {
    lock.withLock {
      guard !isStopped, open.count < mostConnections else { return false }
      open[ObjectIdentifier(connection)] = connection
      return true
    }
  }

  private func dismiss(_ connection: Connection) {
    lock.withLock {
      open[ObjectIdentifier(connection)] = nil
      lock.broadcast()
    }
  }
}

extension HTTPFault {
  fileprivate static var tooBusy: HTTPFault {
    HTTPFault(.serviceUnavailable, "too many connections at once", retryAfter: 5)
  }
}
