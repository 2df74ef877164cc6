import Foundation

/// An answer to a request.
struct HTTPResponse {
  var status = HTTPStatus.ok
  var headers: [String: String] = [:]
  var body = Body.parts([])

  enum Body {
    /// Data one after the other, of known length in all.
    case parts([Data])
    /// Data that comes to be while the connection lasts: called once, with the way to send some.
    case stream((_ send: (String) throws -> Void) throws -> Void)
  }

  /// Data of one type.
  init(_ data: Data, type: String, status: HTTPStatus = .ok) {
    (self.status, body) = (status, .parts([data]))
    headers["Content-Type"] = type
  }

  /// Text of one type.
  init(_ text: String, type: String) { self.init(Data(text.utf8), type: type) }

  /// A value as JSON.
  init(json value: some Encodable, status: HTTPStatus = .ok) throws {
    self.init(try JSON.encode(value), type: "application/json", status: status)
  }

  /// A status alone.
  init(_ status: HTTPStatus) { self.status = status }

  /// An error, as JSON with its reason.
  init(_ fault: HTTPFault) {
    let data = (try? JSON.encode(["error": fault.reason])) ?? Data()
    self.init(data, type: "application/json", status: fault.status)
    if let seconds = fault.retryAfter { headers["Retry-After"] = "\(seconds)" }
    if !fault.allowed.isEmpty { headers["Allow"] = fault.allowed.joined(separator: ", ") }
    if fault.status == .unauthorized { headers["WWW-Authenticate"] = "Bearer" }
  }

  /// The head as it is sent. Every answer ends its connection: no state to keep, none to confuse.
  var head: Data {
    var fields = Self.fixedHeaders.merging(headers) { $1 }
    if case .parts(let parts) = body, status != .noContent {
      fields["Content-Length"] = "\(parts.reduce(0) { $0 + $1.count })"
    }
    let lines = fields.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
    return Data("HTTP/1.1 \(status.rawValue) \(status.phrase)\r\n\(lines.joined())\r\n".utf8)
  }

  /// Nothing is kept by browsers, guessed by them, framed or read by other sites.
  private static let fixedHeaders = [
    "Connection": "close", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
      + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ]
}

/// JSON as every answer has it.
enum JSON {
  static func encode(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }
}
