import Foundation

/// One accepted connection with bounded patience: neither silence nor trickling holds it for long.
final class Connection: @unchecked Sendable {
  /// How long a peer may take.
  struct Patience {
    /// Seconds for the whole head.
    var head = 10.0
    /// Seconds without a byte, either way.
    var silence = 20.0
    /// Seconds for one whole body, either way.
    var body = 300.0
  }

  private let descriptor: Int32
  private let patience: Patience
  private var received: [UInt8] = []

  /// The longest head that is read.
  static let mostHeadBytes = 16 << 10

  /// Takes over an open socket.
  init(_ descriptor: Int32, _ patience: Patience) {
    (self.descriptor, self.patience) = (descriptor, patience)
    setTimeout(SO_SNDTIMEO, patience.silence)
  }

  deinit { close(descriptor) }

  /// Makes all reading and writing end at once.
  func interrupt() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  // MARK: Reading

  /// The head of the request, without the empty line that ends it.
  /// - Throws: `HTTPFault` for a head that is too long or too slow; `ConnectionLost`.
  func readHead() throws -> [UInt8] {
    let end = Date(timeIntervalSinceNow: patience.head)
    while true {
      if let (head, rest) = Self.split(received) {
        received = rest
        return head
      }
      guard received.count < Self.mostHeadBytes else {
        throw HTTPFault(.headerFieldsTooLarge, "the head exceeds \(Self.mostHeadBytes) bytes")
      }
      try receive(Self.mostHeadBytes - received.count, until: end)
    }
  }

  /// The head and what follows it, once the empty line is there.
  private static func split(_ bytes: [UInt8]) -> (head: [UInt8], rest: [UInt8])? {
    for (mark, length) in [("\r\n\r\n", 4), ("\n\n", 2)] {
      if let range = bytes.firstRange(of: Array(mark.utf8)) {
        return (Array(bytes[..<range.lowerBound]), Array(bytes[(range.lowerBound + length)...]))
      }
    }
    return nil
  }

  /// Reads a body piece by piece.
  /// - Parameter take: given each piece; what it throws ends the reading.
  /// - Throws: `HTTPFault` for a body that is malformed, cut short or too slow.
  func readBody(_ request: HTTPRequest, _ take: ([UInt8]) throws -> Void) throws {
    if request.headers["expect"]?.lowercased() == "100-continue" {
      try write(Data("HTTP/1.1 100 Continue\r\n\r\n".utf8))
    }
    let end = Date(timeIntervalSinceNow: patience.body)
    switch request.body {
    case .length(let length): try readPieces(length, end, take)
    case .chunked:
      while true {
        let size = try readLine(end).prefix { $0 != UInt8(ascii: ";") }
        // A sign before them would be read as well.
        guard size.count <= 8, size.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }),
          let count = Int(String(decoding: size, as: UTF8.self), radix: 16)
        else { throw HTTPFault(.badRequest, "a chunk's size is no hexadecimal number") }
        guard count > 0 else { break }
        try readPieces(count, end, take)
        guard try readLine(end).isEmpty else {
          throw HTTPFault(.badRequest, "a chunk is longer than its size")
        }
      }
      // Trailing fields mean nothing here.
      for _ in 0..<16 where try readLine(end).isEmpty { return }
      throw HTTPFault(.badRequest, "too many trailing fields")
    }
  }

  private func readPieces(_ length: Int, _ end: Date, _ take: ([UInt8]) throws -> Void) throws {
    var left = length
    while left > 0 {
      if received.isEmpty { try receive(64 << 10, until: end) }
      let piece = Array(received.prefix(left))
      received.removeFirst(piece.count)
      left -= piece.count
      try take(piece)
    }
  }

  private func readLine(_ end: Date) throws -> [UInt8] {
    while true {
      if let newline = received.firstIndex(of: 10) {
        let line = received[..<newline]
        received.removeFirst(newline + 1)
        return line.last == 13 ? Array(line.dropLast()) : Array(line)
      }
      guard received.count < 1024 else {
        throw HTTPFault(.badRequest, "a chunk's line is too long")
      }
      try receive(1024, until: end)
    }
  }

  private func receive(_ most: Int, until end: Date) throws {
    let left = end.timeIntervalSinceNow
    guard left > 0 else { throw HTTPFault(.requestTimeout, "the request took too long") }
    setTimeout(SO_RCVTIMEO, min(left, patience.silence))
    let old = received.count
    received += [UInt8](repeating: 0, count: most)
    let count = received.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + old, most, 0) }
    received.removeLast(most - max(count, 0))
    if count < 0, errno == EINTR { return }
    if count < 0, errno == EAGAIN || errno == EWOULDBLOCK {
      throw HTTPFault(.requestTimeout, "the request took too long")
    }
    guard count > 0 else { throw ConnectionLost() }
  }

  // MARK: Writing

  /// Sends an answer; that to HEAD without its body.
  /// - Throws: `ConnectionLost` when the peer went away or is too slow.
  func send(_ response: HTTPResponse, withBody: Bool) throws {
    try write(response.head)
    guard withBody else { return }
    switch response.body {
    case .parts(let parts):
      let end = Date(timeIntervalSinceNow: patience.body)
      for part in parts { try write(part, until: end) }
    case .stream(let body): try body { try write(Data($0.utf8)) }
    }
  }

  private func write(_ data: Data, until end: Date = .distantFuture) throws {
    try data.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Self.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent)
        if count < 0, errno == EINTR { continue }
        guard count > 0, end.timeIntervalSinceNow > 0 else { throw ConnectionLost() }
        sent += count
      }
    }
  }

  private static func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Darwin)
      Darwin.send(descriptor, bytes, min(count, 256 << 10), 0)
    #else
      // A peer that went away is an error, not a signal.
      Glibc.send(descriptor, bytes, min(count, 256 << 10), Int32(MSG_NOSIGNAL))
    #endif
  }

  /// Ends the answer and lets the peer read it: closing with unread bytes would take it back.
  func finish() {
    shutdown(descriptor, Int32(SHUT_WR))
    let end = Date(timeIntervalSinceNow: 2)
    var left = 4 << 20
    received = []
    while left > 0, (try? receive(64 << 10, until: end)) != nil {
      left -= received.count
      received = []
    }
  }

  private func setTimeout(_ option: Int32, _ seconds: Double) {
    var time = timeval()
    time.tv_sec = .init(seconds)
    time.tv_usec = .init((seconds - seconds.rounded(.down)) * 1e6) + 1
    setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
  }
}
