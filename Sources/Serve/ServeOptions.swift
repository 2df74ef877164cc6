import Foundation

/// Where the server listens, who may use it and how much they may ask of it.
public struct ServeOptions: Sendable {
  /// The numeric address to listen at.
  public var address = "127.0.0.1"
  /// The port; 0 takes a free one.
  public var port = 8080
  /// The secret that every request has to bring; nil for none, which only a loopback address
  /// allows.
  public var token: String?
  /// Names, beside `localhost` and numeric addresses, under which browsers may reach the server.
  public var hosts: [String] = []

  /// Bytes of one upload at most.
  public var mostBytes = 64 << 20
  /// Pixels of one image at most.
  public var mostPixels = 50_000_000
  /// Jobs known at once, waiting, running and finished together.
  public var mostJobs = 500
  /// Bytes of all uploads and results held at once.
  public var mostMemory = 1 << 30
  /// Seconds that one image may take on the device.
  public var mostJobSeconds = 600.0
  /// Seconds after which a finished job is forgotten.
  public var keepSeconds = 1800.0
  /// Connections at once; each has a thread of its own.
  public var mostConnections = 512
  /// Seconds for one whole upload or download.
  public var mostTransferSeconds = 300.0
  /// Seconds that a peer may be silent.
  public var mostSilentSeconds = 20.0

  /// Loopback only, with limits for one person's pictures.
  public init() {}

  /// The shortest token that is worth having.
  public static let leastTokenLength = 12

  /// Whether only this machine can reach the address.
  var isLoopback: Bool { (try? SocketAddress(address, port: 0))?.isLoopback ?? false }

  /// Checks them without listening.
  /// - Throws: `ServeError` for what is unsafe or impossible.
  public func check() throws(ServeError) {
    let listened = try SocketAddress(address, port: port)
    for host in hosts where !Self.isName(host) {
      throw ServeError(
        "host '\(host)': expected a name without scheme and port, such as pages.example")
    }
    if let token {
      guard token.utf8.count >= Self.leastTokenLength,
        token.utf8.allSatisfy({ (33...126).contains($0) && !"\";,\\%&+#".utf8.contains($0) })
      else {
        throw ServeError(
          "the token: expected at least \(Self.leastTokenLength) letters, digits or signs other "
            + "than \" ; , \\ % & + #")
      }
    } else if !listened.isLoopback {
      throw ServeError(
        "address \(address) can be reached by other machines: expected a token (--token) as well")
    }
  }

  /// Whether a browser can name a server so.
  private static func isName(_ host: String) -> Bool {
    let letters = host.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || "0123456789-._".unicodeScalars.contains($0))
    }
    return letters && !host.isEmpty || (try? SocketAddress(host, port: 0)) != nil
  }
}

/// The server cannot start as asked.
public struct ServeError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}
