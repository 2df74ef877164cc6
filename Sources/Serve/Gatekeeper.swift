import Foundation

/// Decides who may talk to the server, so that no page of the web can make a browser drive it.
struct Gatekeeper {
  let options: ServeOptions

  /// The cookie in which a browser keeps the token.
  static let cookie = "restormer_token"

  /// - Throws: `HTTPFault` for a request from elsewhere.
  func admit(_ request: HTTPRequest) throws {
    let host = request.headers["host"] ?? ""
    guard knows(host: host) else {
      // A foreign name that resolves to this machine: DNS rebinding.
      throw HTTPFault(.forbidden, "the name of the host is not one of this server (--allow-host)")
    }
    if let origin = request.headers["origin"] {
      guard origin == "http://\(host)" || origin == "https://\(host)" else {
        throw HTTPFault(.forbidden, "requests of other sites' pages are not answered")
      }
    }
    let isPage = request.method == "GET" && request.path == "/"
    if let site = request.headers["sec-fetch-site"], !isPage {
      guard site == "same-origin" || site == "none" else {
        throw HTTPFault(.forbidden, "requests of other sites' pages are not answered")
      }
    }
    guard hasToken(request) else {
      throw HTTPFault(
        .unauthorized, "expected the field 'Authorization: Bearer TOKEN', or once /?token=TOKEN")
    }
  }

  private func knows(host: String) -> Bool {
    guard let name = Self.name(ofHost: host)?.lowercased() else { return false }
    if name == "localhost" || options.hosts.contains(where: { $0.lowercased() == name }) {
      return true
    }
    guard let address = try? SocketAddress(name, port: 0) else { return false }
    // A numeric address cannot be rebound; one of another machine is known only where others may
    // come.
    return !options.isLoopback || address.isLoopback
  }

  /// `name`, `name:port`, `1.2.3.4:port` or `[::1]:port` without the port; nil for anything else.
  private static func name(ofHost host: String) -> String? {
    let isBracketed = host.hasPrefix("[")
    let sides = (isBracketed ? String(host.dropFirst()) : host)
      .parts(between: isBracketed ? "]" : ":", atMost: 2)
    guard sides.count == 2 else { return isBracketed ? nil : host }
    let port = isBracketed ? sides[1] : ":\(sides[1])"
    guard port.isEmpty || port.hasPrefix(":"),
      port.utf8.dropFirst().allSatisfy({ (48...57).contains($0) })
    else { return nil }
    return sides[0]
  }

  private func hasToken(_ request: HTTPRequest) -> Bool {
    guard let token = options.token else { return true }
    let bearer = request.headers["authorization"].flatMap { value in
      value.lowercased().hasPrefix("bearer ") ? String(value.dropFirst(7)) : nil
    }
    let cookies = (request.headers["cookie"] ?? "").split(whereSeparator: { $0 == ";" || $0 == "," }
    )
    .map { $0.trimmingCharacters(in: .whitespaces) }
    .filter { $0.hasPrefix(Self.cookie + "=") }
    .map { String($0.dropFirst(Self.cookie.count + 1)) }
    return ([bearer].compactMap { $0 } + cookies).contains { Self.areEqual($0, token) }
  }

  /// Whether `/?token=` carries the token: a browser then gets it as a cookie.
  func isLogin(_ request: HTTPRequest) -> Bool {
    guard let token = options.token, request.method == "GET", request.path == "/" else {
      return false
    }
    return request.query["token"].map { Self.areEqual($0, token) } ?? false
  }

  /// Compares in a time that tells nothing of where two texts differ.
  private static func areEqual(_ a: String, _ b: String) -> Bool {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    return a.count == b.count && zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
