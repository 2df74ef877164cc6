import Foundation

/// The place where rank 0 waits for the connections of the other ranks.
///
/// What it offers is one line: a secret, a port and the addresses of this host. Who connects says
/// the secret and its rank.
package final class RankListener {
  private static let patience: Int32 = 30

  private let socket: Int32
  private let secret = UInt64.random(in: .min ... .max)

  /// Listens on a port that the system chooses.
  /// - Throws: `RankError` when there is none.
  init() throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    let isBound = withSocketAddress(&address) { bind(socket, $0, $1) } == 0
    guard socket >= 0, isBound, listen(socket, 128) == 0 else {
      throw RankError("no port to watch the ranks from: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(socket) }

  /// What the other ranks need to connect.
  var offer: [UInt8] {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    let fields = ["\(secret)", "\(UInt16(bigEndian: address.sin_port))"] + Self.addresses()
    return Array(fields.joined(separator: " ").utf8)
  }

  /// The IPv4 addresses of this host, those that others can reach first.
  private static func addresses() -> [String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return ["127.0.0.1"] }
    defer { freeifaddrs(list) }
    var found: [String] = []
    for entry in sequence(first: list, next: { $0?.pointee.ifa_next }) {
      guard let address = entry?.pointee.ifa_addr, address.pointee.sa_family == AF_INET else {
        continue
      }
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let length = socklen_t(MemoryLayout<sockaddr_in>.size)
      getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
      found.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
    }
    return found.filter { !$0.hasPrefix("127.") } + ["127.0.0.1"]
  }

  /// Waits for the ranks from 1 on.
  /// - Throws: `RankError` naming those that did not come.
  func accept(ranks: Int) throws -> [RankLink] {
    var links: [RankLink] = []
    let deadline = ContinuousClock.now + .seconds(Int(Self.patience))
    while links.count < ranks - 1, ContinuousClock.now < deadline {
      var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 1000) > 0 else { continue }
      let peer = Glibc.accept(socket, nil, nil)
      guard peer >= 0 else { continue }
      setTimeout(of: peer, seconds: 5)
      guard let rank = greeting(from: peer), (1..<ranks).contains(rank),
        !links.contains(where: { $0.rank == rank })
      else {
        close(peer)
        continue
      }
      links.append(RankLink(rank: rank, socket: peer))
    }
    let missing = Set(1..<ranks).subtracting(links.map(\.rank)).sorted()
    guard missing.isEmpty else {
      throw RankError("ranks \(missing) do not reach rank 0 within \(Self.patience) seconds")
    }
    return links
  }

  /// The rank of a peer that knows the secret.
  private func greeting(from peer: Int32) -> Int? {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while line.count < 64, recv(peer, &byte, 1, 0) == 1, byte != 0x0A { line.append(byte) }
    let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard fields.count == 2, fields[0] == "\(secret)" else { return nil }
    return Int(fields[1])
  }

  /// Connects to the rank that made `offer`, whichever of its addresses answers.
  /// - Throws: `RankError` when none does.
  package static func connect(to offer: [UInt8], as rank: Int) throws -> RankLink {
    let fields = String(decoding: offer, as: UTF8.self).split(separator: " ").map(String.init)
    guard fields.count > 2, let port = UInt16(fields[1]) else {
      throw RankError("rank 0 offers no address")
    }
    for text in fields.dropFirst(2) {
      let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
      setTimeout(of: socket, seconds: 5)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      inet_pton(AF_INET, text, &address.sin_addr)
      if withSocketAddress(&address, { Glibc.connect(socket, $0, $1) }) == 0 {
        let link = RankLink(rank: 0, socket: socket)
        link.send(Array("\(fields[0]) \(rank)\n".utf8))
        return link
      }
      close(socket)
    }
    throw RankError("rank 0 cannot be reached at \(fields.dropFirst(2).joined(separator: ", "))")
  }
}

private func withSocketAddress<Result>(
  _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
}

private func setTimeout(of socket: Int32, seconds: Int) {
  var limit = timeval(tv_sec: seconds, tv_usec: 0)
  for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
    setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
  }
}
