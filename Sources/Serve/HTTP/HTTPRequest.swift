import Foundation

/// The head of a request: everything before the body.
struct HTTPRequest {
  let method: String
  /// Percent-decoded, without the query.
  let path: String
  /// Percent-decoded, a plus sign being a space as forms send it; of a name given twice the last
  /// counts.
  let query: [String: String]
  /// By lower-case names; values given twice are joined by commas.
  let headers: [String: String]
  /// How the body is delimited.
  let body: Body

  enum Body: Equatable {
    case length(Int)
    case chunked
  }

  /// Fields of which two would let two readers see two different requests.
  private static let single: Set = [
    "host", "content-length", "transfer-encoding", "authorization", "origin",
  ]

  /// Reads a head, line by line, without its closing empty line.
  /// - Throws: `HTTPFault` for anything but a well-formed HTTP/1.1 or 1.0 request.
  init(head: [UInt8]) throws {
    guard let text = String(validating: head, as: UTF8.self) else {
      throw HTTPFault(.badRequest, "the head is no text")
    }
    var lines = text.replacing("\r\n", with: "\n").parts(between: "\n")
    let start = lines.removeFirst().parts(between: " ")
    guard start.count == 3, Self.isToken(start[0]), start[1].utf8.first == UInt8(ascii: "/") else {
      throw HTTPFault(.badRequest, "expected a line METHOD /PATH HTTP/1.1")
    }
    guard ["HTTP/1.1", "HTTP/1.0"].contains(start[2]) else {
      throw HTTPFault(.versionNotSupported, "expected HTTP/1.1")
    }
    method = start[0]
    (path, query) = try Self.parts(of: start[1])
    headers = try Self.fields(lines)
    guard headers["host"] != nil || start[2] == "HTTP/1.0" else {
      throw HTTPFault(.badRequest, "the field Host is missing")
    }
    body = try Self.body(headers)
  }

  private static func parts(of target: String) throws -> (String, [String: String]) {
    let halves = target.parts(between: "?", atMost: 2)
    var query: [String: String] = [:]
    let form = halves.dropFirst().joined().parts(between: "+").joined(separator: "%20")
    for pair in form.parts(between: "&") where !pair.isEmpty {
      let sides = pair.parts(between: "=", atMost: 2)
      query[try decoded(sides[0])] = sides.count > 1 ? try decoded(sides[1]) : ""
    }
    return (try decoded(halves[0]), query)
  }

  private static func decoded(_ text: String) throws -> String {
    guard let plain = text.removingPercentEncoding else {
      throw HTTPFault(.badRequest, "the address is not percent-encoded UTF-8")
    }
    return plain
  }

  private static func fields(_ lines: [String]) throws -> [String: String] {
    var fields: [String: String] = [:]
    for line in lines {
      let sides = line.parts(between: ":", atMost: 2)
      guard sides.count == 2, isToken(sides[0]) else {
        throw HTTPFault(.badRequest, "expected fields NAME: VALUE")
      }
      let name = sides[0].lowercased()
      let value = sides[1].trimmingCharacters(in: .whitespaces)
      guard fields[name] == nil || !single.contains(name) else {
        throw HTTPFault(.badRequest, "the field \(name) is there twice")
      }
      fields[name] = fields[name].map { "\($0), \(value)" } ?? value
    }
    return fields
  }

  private static func body(_ headers: [String: String]) throws -> Body {
    let length = headers["content-length"]
    if let coding = headers["transfer-encoding"] {
      guard length == nil else {
        throw HTTPFault(.badRequest, "both Content-Length and Transfer-Encoding")
      }
      guard coding.lowercased() == "chunked" else {
        throw HTTPFault(.notImplemented, "of transfer encodings only 'chunked' is read")
      }
      return .chunked
    }
    guard let length else { return .length(0) }
    guard !length.isEmpty, length.utf8.allSatisfy({ (48...57).contains($0) }) else {
      throw HTTPFault(.badRequest, "Content-Length is no number")
    }
    return .length(Int(length) ?? .max)
  }

  /// Whether a text may be a method or a field's name.
  private static func isToken(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || "!#$%&'*+-.^_`|~".utf8.contains(byte)
      }
  }
}

extension String {
  /// The parts between an ASCII sign, empty ones too. It is looked for among bytes: a sign with an
  /// accent behind it is another `Character`.
  func parts(between sign: Unicode.Scalar, atMost count: Int = .max) -> [String] {
    utf8.split(
      separator: UInt8(ascii: sign), maxSplits: count - 1, omittingEmptySubsequences: false
    ).map { String(Substring($0)) }
  }
}
