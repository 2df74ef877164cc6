import Foundation

/// A process of a browser with the two pipes over which it is driven: JSON messages, each ended by
/// a zero byte.
///
/// Nothing here waits without an end: a browser that hangs or dies is an error, and is killed with
/// all of its helpers.
final class BrowserPipe {
  struct Failure: Error, CustomStringConvertible {
    let description: String
    static let gone = Failure(description: "the browser has gone")
  }

  private let process = Process()
  private let (input, output) = (Pipe(), Pipe())
  private let profile = NSTemporaryDirectory() + "restormer-browser-\(UUID().uuidString)"
  private let patience: Double
  private var buffer: [UInt8] = []

  /// Starts the browser at `path`, which may take `patience` seconds for each answer.
  init(_ path: String, patience: Double) throws {
    self.patience = patience
    // A write to a browser that has died is then an error, not the end of the tests.
    signal(SIGPIPE, SIG_IGN)
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = [
      "-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", path, "--headless",
      "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--user-data-dir=\(profile)",
      "about:blank",
    ]
    (process.standardInput, process.standardOutput) = (input, output)
    try process.run()
  }

  /// The browser leaves when its pipe is closed, its end is that of the other pipe. To wait for the
  /// process would be to wait for every helper that inherited something of it; those that are left
  /// are killed: they are of the process's group.
  deinit {
    try? input.fileHandleForWriting.close()
    let end = deadline()
    while (try? fill(until: end)) != nil {}
    kill(-process.processIdentifier, SIGKILL)
    // Helpers write into the profile until the last moment.
    for _ in 0..<40 where FileManager.default.fileExists(atPath: profile) {
      do { try FileManager.default.removeItem(atPath: profile) } catch { usleep(50_000) }
    }
  }

  /// When to give up what begins now.
  func deadline() -> DispatchTime { .now() + patience }

  func write(_ message: [String: Any]) throws {
    let data = try JSONSerialization.data(withJSONObject: message) + [0]
    try wait(for: POLLOUT, on: input.fileHandleForWriting, until: deadline())
    do {
      try input.fileHandleForWriting.write(contentsOf: data)
    } catch {
      throw Failure.gone
    }
  }

  /// The next message.
  func read(until end: DispatchTime) throws -> [String: Any] {
    while true {
      if let zero = buffer.firstIndex(of: 0) {
        let message = Data(buffer[..<zero])
        buffer.removeSubrange(...zero)
        return try JSONSerialization.jsonObject(with: message) as? [String: Any] ?? [:]
      }
      try fill(until: end)
    }
  }

  private func fill(until end: DispatchTime) throws {
    let handle = output.fileHandleForReading
    try wait(for: POLLIN, on: handle, until: end)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = Foundation.read(handle.fileDescriptor, &bytes, bytes.count)
    guard count > 0 else { throw Failure.gone }
    buffer += bytes.prefix(count)
  }

  private func wait(for event: Int32, on pipe: FileHandle, until end: DispatchTime) throws {
    var descriptor = pollfd(fd: pipe.fileDescriptor, events: Int16(event), revents: 0)
    var ready: Int32
    repeat {
      let now = DispatchTime.now()
      let left = now < end ? (end.uptimeNanoseconds - now.uptimeNanoseconds) / 1_000_000 : 0
      ready = poll(&descriptor, 1, Int32(left))
    } while ready < 0 && errno == EINTR
    guard ready > 0 else { throw Failure(description: "the browser does not answer") }
  }
}
