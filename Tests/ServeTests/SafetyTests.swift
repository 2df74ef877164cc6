import Foundation
import Serve
import XCTest

/// Who may use the server.
final class SafetyTests: XCTestCase {
  private func status(
    _ server: RunningServer, _ fields: String..., target: String = "/health"
  ) throws -> Int {
    try server.ask("GET", target, fields).status
  }

  func testOnlyThisMachinesNamesAreAnswered() throws {
    let server = try RunningServer { $0.hosts = ["scans.example"] }
    defer { server.stop() }
    for host in [
      "localhost", "localhost:\(server.port)", "LOCALHOST", "127.0.0.1", "127.1.2.3:80", "[::1]:80",
      "scans.example", "Scans.Example:8080",
    ] { XCTAssertEqual(try status(server, "Host: \(host)"), 200, host) }
    for host in [
      "evil.example", "evil.example:\(server.port)", "localhost.evil.example", "",
      "127.0.0.1.nip.io",
      "192.168.1.2", "0.0.0.0", "[::2]", "[", "127.0.0.1@evil.example", "localhost:80@evil.example",
      "[::1]evil.example", "[::1]:x",
    ] { XCTAssertEqual(try status(server, "Host: \(host)"), 403, host) }
  }

  func testPagesOfOtherSitesAreRefused() throws {
    let server = try RunningServer()
    defer { server.stop() }
    let own = "http://127.0.0.1:\(server.port)"
    XCTAssertEqual(try status(server, "Origin: \(own)"), 200)
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "\(own).evil.example"] {
      XCTAssertEqual(try status(server, "Origin: \(origin)"), 403, origin)
    }
    for (site, target, expected) in [
      ("same-origin", "/health", 200), ("none", "/health", 200), ("cross-site", "/health", 403),
      ("same-site", "/api/models", 403), ("cross-site", "/", 200), ("cross-site", "/page.js", 403),
    ] {
      XCTAssertEqual(
        try status(server, "Sec-Fetch-Site: \(site)", target: target), expected, "\(site) \(target)"
      )
    }
    // What a form of any page can send without asking first.
    for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
      XCTAssertEqual(
        try server.submit(Upload.png(), "", ["Content-Type: \(type)"]).status, 415, type)
    }
    let page = try server.ask("GET", "/")
    XCTAssertTrue(page.header("Content-Security-Policy")?.contains("default-src 'none'") == true)
    XCTAssertEqual(page.header("X-Frame-Options"), "DENY")
    XCTAssertNil(page.header("Access-Control-Allow-Origin"))
  }

  func testATokenIsAskedForEverywhere() throws {
    let token = "correct-horse-battery"
    let server = try RunningServer { $0.token = token }
    defer { server.stop() }
    for target in ["/", "/page.js", "/health", "/metrics", "/api/models", "/api/jobs/x/result"] {
      let answer = try server.ask("GET", target)
      XCTAssertEqual(answer.status, 401, target)
      XCTAssertEqual(answer.header("WWW-Authenticate"), "Bearer")
    }
    XCTAssertEqual(try server.submit(Upload.png()).status, 401)
    XCTAssertEqual(try status(server, "Authorization: Bearer \(token)"), 200)
    XCTAssertEqual(try status(server, "Authorization: Bearer \(token)x"), 401)
    XCTAssertEqual(try status(server, "Authorization: Bearer"), 401)
    XCTAssertEqual(try status(server, target: "/?token=wrong"), 401)
    let login = try server.ask("GET", "/?token=\(token)")
    XCTAssertEqual(login.status, 303)
    let cookie = try XCTUnwrap(login.header("Set-Cookie"))
    XCTAssertTrue(cookie.hasSuffix("; Path=/; HttpOnly; SameSite=Strict"), cookie)
    XCTAssertEqual(try status(server, "Cookie: a=b; \(cookie.prefix { $0 != ";" })"), 200)
    // The right token does not help a page of another site.
    XCTAssertEqual(
      try status(server, "Host: evil.example", "Authorization: Bearer \(token)"), 403)
  }

  func testWhatCannotBeListenedAtIsToldAsThat() {
    for (change, part) in [
      ({ $0.address = "localhost" }, "address localhost: expected a numeric"),
      ({ $0.address = "999.1.1.1" }, "address 999.1.1.1: expected a numeric"),
      ({ $0.hosts = ["http://pages.example"] }, "host 'http://pages.example'"),
      ({ $0.hosts = ["pages.example", "*"] }, "host '*'"),
      ({ $0.hosts = ["pages.example:8080"] }, "host 'pages.example:8080'"),
    ] as [((inout ServeOptions) -> Void, String)] {
      XCTAssertThrowsError(try RunningServer(change)) {
        XCTAssertTrue("\($0)".hasPrefix(part), "\($0)")
      }
    }
  }

  func testOtherAddressesNeedAToken() throws {
    for (address, token) in [
      ("0.0.0.0", nil), ("::", nil), ("192.0.2.1", nil), ("0.0.0.0", "short"), ("127.0.0.1", ""),
      ("localhost", nil), ("0.0.0.0", "has a space in it"),
    ] as [(String, String?)] {
      XCTAssertThrowsError(
        try RunningServer {
          $0.address = address
          $0.token = token
        }, address
      ) { XCTAssertTrue($0 is ServeError, "\($0)") }
    }
    // However this machine's own addresses are written.
    for address in ["127.9.9.9", "::1", "0:0:0:0:0:0:0:1"] {
      var options = ServeOptions()
      options.address = address
      XCTAssertNoThrow(try options.check(), address)
    }
    let server = try RunningServer {
      $0.address = "0.0.0.0"
      $0.token = "correct-horse-battery"
    }
    defer { server.stop() }
    XCTAssertEqual(
      try status(server, "Host: 192.168.1.2:8080", "Authorization: Bearer correct-horse-battery"),
      200)
  }
}
