import Foundation

/// A numeric IPv4 or IPv6 address and a port.
struct SocketAddress {
  private var storage = sockaddr_storage()
  private let length: socklen_t
  private let host: String
  private let port: Int
  /// Whether only this machine can reach it.
  let isLoopback: Bool

  /// - Throws: `ServeError` for anything but a numeric address.
  init(_ host: String, port: Int) throws(ServeError) {
    guard (0...65_535).contains(port) else {
      throw ServeError("port \(port): expected 0 to 65535")
    }
    var four = sockaddr_in()
    var six = sockaddr_in6()
    (self.host, self.port) = (host, port)
    if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = in_port_t(port).bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      isLoopback = withUnsafeBytes(of: four.sin_addr) { $0[0] == 127 }
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: four, as: sockaddr_in.self) }
    } else if inet_pton(AF_INET6, host, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = in_port_t(port).bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      isLoopback = withUnsafeBytes(of: six.sin6_addr) {
        Array($0) == [UInt8](repeating: 0, count: 15) + [1]
      }
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: six, as: sockaddr_in6.self) }
    } else {
      throw ServeError("address \(host): expected a numeric IPv4 or IPv6 address")
    }
  }

  /// A socket that listens here.
  func listen() throws(ServeError) -> Int32 {
    #if canImport(Darwin)
      let descriptor = socket(Int32(storage.ss_family), SOCK_STREAM, 0)
    #else
      let descriptor = socket(Int32(storage.ss_family), Int32(SOCK_STREAM.rawValue), 0)
    #endif
    guard descriptor >= 0 else { throw failure("opened") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var storage = storage
    let length = length
    let bound = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard bound == 0, systemListen(descriptor, 512) == 0 else {
      defer { close(descriptor) }
      throw failure("listened at")
    }
    return descriptor
  }

  private func failure(_ what: String) -> ServeError {
    ServeError("\(host):\(port) cannot be \(what): \(String(cString: strerror(errno)))")
  }

  /// The port that a socket is bound to.
  static func port(of descriptor: Int32) -> Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    _ = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    // The port stands at the same place for both families.
    return withUnsafeBytes(of: storage) {
      Int(in_port_t(bigEndian: $0.load(fromByteOffset: 2, as: in_port_t.self)))
    }
  }
}

/// The system's `listen`, which the method of that name hides.
private let systemListen = listen(_:_:)
