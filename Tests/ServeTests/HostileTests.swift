import Foundation
import Serve
import XCTest

/// Clients that mean harm, or are merely broken: each is refused clearly, and the server goes on as
/// before.
final class HostileTests: XCTestCase {
  private var server: RunningServer!

  private func start(_ change: (inout ServeOptions) -> Void = { _ in }) throws {
    server = try RunningServer(change)
  }

  override func tearDownWithError() throws {
    // Whatever a test did: the next one is served, and nothing is left behind.
    _ = try server.wait(server.job("batch=the-very-last-of-all"), "done")
    XCTAssertEqual(try server.ask("DELETE", "/api/batches/the-very-last-of-all").status, 204)
    // A connection that was dropped a moment ago may still have to be noticed.
    for _ in 0..<500 where try server.metric("memory_bytes") != 0 { usleep(10_000) }
    XCTAssertEqual(try server.metric("memory_bytes"), 0)
    XCTAssertTrue(server.stop(), "the server does not end")
    server = nil
  }

  private func sent(_ text: String, isAll: Bool = false) throws -> Answer {
    let connection = try RawConnection(server.port)
    connection.send(text)
    if isAll { connection.finishSending() }
    return connection.answer()
  }

  func testMalformedHeadsAreRefused() throws {
    try start()
    let host = "Host: localhost\r\n"
    for (text, status) in [
      ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\n\(host)\r\n", 505),
      ("GET  / HTTP/1.1\r\n\(host)\r\n", 400),
      ("GET http://localhost/ HTTP/1.1\r\n\(host)\r\n", 400),
      ("\r\n\r\n", 400), ("GET /\r\n\r\n", 400), ("G\0T / HTTP/1.1\r\n\(host)\r\n", 400),
      ("GET / HTTP/1.1\r\n\(host)\(host)\r\n", 400),
      ("GET / HTTP/1.1\r\n\(host)no colon\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\n\(host) folded: x\r\n\r\n", 400),
      ("GET /%zz HTTP/1.1\r\n\(host)\r\n", 400), ("GET /%ff HTTP/1.1\r\n\(host)\r\n", 400),
      ("POST /api/jobs HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n", 400),
      ("POST /api/jobs HTTP/1.1\r\n\(host)Content-Length: +5\r\n\r\n", 400),
      ("POST /api/jobs HTTP/1.1\r\n\(host)Content-Length: 1, 1\r\n\r\n", 400),
      ("POST /api/jobs HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
      (
        "POST /api/jobs HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400
      ),
      ("POST /api/jobs HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ] { XCTAssertEqual(try sent(text).status, status, text) }
    XCTAssertEqual(try sent("GET / HTTP/1.0\r\nHost: localhost\n\n", isAll: true).status, 200)
    let connection = try RawConnection(server.port)
    connection.send(Data([0xFF, 0xFE, 0x80]) + Data("\r\n\r\n".utf8))
    XCTAssertEqual(connection.answer().status, 400)
  }

  func testEndlessHeadsAreCutShort() throws {
    try start()
    for text in ["GET / HTTP/1.1\r\nX: ", "GET /", ""] {
      let connection = try RawConnection(server.port)
      connection.send(text)
      let piece = Data(repeating: UInt8(ascii: "a"), count: 1 << 20)
      // More than any head, and the server stops taking it.
      for _ in 0..<64 where !connection.send(piece) { break }
      let answer = connection.answer()
      XCTAssertTrue(answer.status == 431 || answer.status == 0, answer.head)
    }
    let many = (0..<5000).map { "X\($0): 1\r\n" }.joined()
    XCTAssertEqual(try sent("GET / HTTP/1.1\r\n\(many)").status, 431)
  }

  func testOversizedUploadsAreRefusedBeforeAndWhileTheyArrive() throws {
    try start { $0.mostBytes = 100_000 }
    let head = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    for length in ["100001", "99999999999999999999999999"] {
      let answer = try sent(head + "Content-Length: \(length)\r\n\r\n")
      XCTAssertEqual(answer.status, 413, length)
      XCTAssertEqual(answer.fault, "the file exceeds 100000 bytes")
    }
    let connection = try RawConnection(server.port)
    connection.send(head + "Transfer-Encoding: chunked\r\n\r\n")
    let chunk = Data("8000\r\n".utf8) + Data(count: 0x8000) + Data("\r\n".utf8)
    for _ in 0..<100 where !connection.send(chunk) { break }
    XCTAssertEqual(connection.answer().status, 413)
    let asked = try sent(head + "Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n")
    XCTAssertEqual(asked.status, 413, "refused before the body is asked for")
  }

  func testChunksAreReadAndBadOnesRefused() throws {
    try start()
    let file = try Upload.png()
    let head = Data(
      ("POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n").utf8)
    func sent(_ body: Data) throws -> Answer {
      let connection = try RawConnection(server.port)
      connection.send(head + body)
      connection.finishSending()
      return connection.answer()
    }
    func text(_ text: String) -> Data { Data(text.utf8) }
    let pieces = stride(from: 0, to: file.count, by: 7).map { file[$0..<min($0 + 7, file.count)] }
    let chunks = pieces.reduce(Data()) {
      $0 + text(String($1.count, radix: 16) + ";a=b\r\n") + $1 + text("\r\n")
    }
    let answer = try sent(chunks + text("0\r\nTrailer: x\r\n\r\n"))
    XCTAssertEqual(answer.status, 201, answer.text)
    XCTAssertEqual(
      try server.ask("GET", "/api/jobs/\(answer.json["id"] as? String ?? "")/source").body, file)
    XCTAssertEqual(
      try server.ask("DELETE", "/api/jobs/\(answer.json["id"] as? String ?? "")").status, 204)
    for bad in [
      "xyz\r\n", "-1\r\n", "fffffffff\r\n", "\r\n", "3\r\nabcdef\r\n", "1\r\na",
      "+1\r\na\r\n0\r\n\r\n", "-0\r\n\r\n",
    ] {
      let status = try sent(text(bad)).status
      XCTAssertTrue(status == 400 || status == 0, "\(bad): \(status)")
    }
  }

  func testTruncatedAndForeignFilesAreRefused() throws {
    try start()
    let file = try Upload.png(64, 64)
    for (body, fault) in [
      (Data(), "the file is empty"),
      (Data("GIF89a".utf8), "a GIF file; only PNG, JPEG, TIFF"),
      (Data(count: 1000), "not an image of the formats"),
      (Data(file.prefix(file.count / 2)), "the file is truncated"), (file.prefix(20), "truncated"),
    ] {
      let answer = try server.submit(body)
      XCTAssertEqual(answer.status, 422, fault)
      XCTAssertTrue(answer.fault.contains(fault), answer.fault)
    }
    // The connection ends before the body does.
    let connection = try RawConnection(server.port)
    connection.send(
      "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        + "Content-Length: \(file.count)\r\n\r\n")
    connection.send(file.prefix(100))
    connection.finishSending()
    XCTAssertEqual(connection.answer().status, 0)
    XCTAssertEqual(server.engine.requests.count, 0)
  }

  func testBombsAreRefusedByTheirHeader() throws {
    try start { $0.mostPixels = 1_000_000 }
    let answer = try server.submit(Upload.bomb(1001, 1000, filler: 4000))
    XCTAssertEqual(answer.status, 413)
    XCTAssertEqual(answer.fault, "1001 x 1000 pixels: at most 1000000 are taken")
    for (width, height) in [(60_000, 60_000), (.max, 1), (0, 5)] as [(UInt32, UInt32)] {
      let answer = try server.submit(Upload.bomb(width, height, filler: 1000))
      XCTAssertEqual(answer.status, 422, "\(width) x \(height): \(answer.fault)")
    }
  }

  func testNamesStayNames() throws {
    try start()
    server.engine.hold()
    for (name, expected) in [
      ("../../etc/passwd", "passwd"), ("..%2f..%2fa.png", "a.png"), ("C:%5Ca%5Cb.png", "b.png"),
      ("..", "image"), ("%2e%2e/", "image"), ("", "image"), ("a%00b.png", "ab.png"),
      ("a%0d%0aSet-Cookie:%20x=y.png", "aSet-Cookie x=y.png"), (".bashrc", "bashrc"),
      ("%E2%80%AEgnp.exe", "gnp.exe"),
      (String(repeating: "n", count: 4000), String(repeating: "n", count: 150)),
      ("%3Cimg+src=x%3E", "img src=x"), ("a%2Bb%20c.png", "a+b c.png"),
      // A slash or a dot with an accent behind it is one Character.
      ("..%2F%CC%81b.png", "\u{301}b.png"), ("a%5C%CC%81b.png", "\u{301}b.png"),
      ("%2E%CC%81b.png", "\u{301}b.png"),
    ] {
      let answer = try server.submit(Upload.png(), "batch=names-of-all-kinds&name=\(name)")
      XCTAssertEqual(answer.json["name"] as? String, expected, name)
    }
    for target in [
      "/../etc/passwd", "/api/../../etc/passwd", "/%2e%2e/etc/passwd", "/page.js/../..",
      "/%CC%81", "/api%2F%CC%81", "/api/%CC%81", "/api/jobs/%E2%80%8D",
    ] {
      XCTAssertEqual(try server.ask("GET", target).status, 404, target)
    }
    XCTAssertEqual(try server.ask("DELETE", "/api/batches/names-of-all-kinds").status, 204)
    server.engine.open(100)
  }

  func testSlowClientsAreLetGo() throws {
    try start {
      $0.mostSilentSeconds = 0.3
      $0.mostTransferSeconds = 0.6
    }
    let silent = try RawConnection(server.port)
    let begun = try RawConnection(server.port)
    begun.send("GET / HTTP/1.1\r\nHost:")
    let uploading = try RawConnection(server.port)
    uploading.send(
      "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        + "Content-Length: 1000\r\n\r\nabc")
    for connection in [silent, begun, uploading] {
      XCTAssertEqual(connection.answer().status, 408)
    }
    // A byte now and then is no way round.
    let trickling = try RawConnection(server.port)
    trickling.send(
      "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        + "Content-Length: 1000\r\n\r\n")
    for _ in 0..<12 {
      trickling.send("a")
      usleep(100_000)
    }
    XCTAssertEqual(trickling.answer().status, 408)
  }

  func testASlowReaderHoldsNothing() throws {
    try start { $0.mostSilentSeconds = 0.3 }
    let noise = Data((0..<3_000_000).map { _ in UInt8.random(in: 0...255) })
    let file = try Upload.png() + noise
    let answer = try server.submit(file)
    let id = answer.json["id"] as? String ?? ""
    _ = try server.wait(id, "done")
    let reader = try RawConnection(server.port, receiveBuffer: 4096)
    reader.send("GET /api/jobs/\(id)/result HTTP/1.1\r\nHost: localhost\r\n\r\n")
    XCTAssertEqual(try server.ask("DELETE", "/api/jobs/\(id)").status, 204)
    // Others are served meanwhile, and the server ends though the reader is still there.
    _ = try server.wait(server.job("batch=while-one-is-slow"), "done")
    XCTAssertEqual(try server.ask("DELETE", "/api/batches/while-one-is-slow").status, 204)
    sleep(1)
    var read = 0
    while case let piece = reader.receive(), !piece.isEmpty { read += piece.count }
    XCTAssertLessThan(read, file.count)
  }

  func testLimitsOfJobsMemoryAndTimeHold() throws {
    try start {
      $0.mostJobs = 2
      $0.mostMemory = 5000
      $0.keepSeconds = 0.4
      $0.mostJobSeconds = 0.2
    }
    server.engine.hold()
    let late = try server.job()
    _ = try server.job()
    let answer = try server.submit(Upload.png())
    XCTAssertEqual(answer.status, 429)
    XCTAssertNotNil(answer.header("Retry-After"))
    usleep(300_000)
    server.engine.open(8)
    XCTAssertEqual(
      try server.wait(late, "failed")["error"] as? String, "it took longer than 0 seconds")
    // Both are forgotten after a while, and make room.
    usleep(600_000)
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(late)").status, 404)
    let full = try server.submit(Upload.png() + Data(count: 6000))
    XCTAssertEqual(full.status, 503, full.text)
    server.engine.open(8)
  }

  func testConnectionsAreLimited() throws {
    try start { $0.mostConnections = 8 }
    do {
      let idle = try (0..<8).map { _ in try RawConnection(server.port) }
      usleep(100_000)
      XCTAssertEqual(try RawConnection(server.port).answer().status, 503)
      XCTAssertEqual(idle.count, 8)
    }
    // Those who left make room; the server may need a moment to see it.
    for _ in 0..<100 where try server.ask("GET", "/health").status != 200 { usleep(20_000) }
    XCTAssertEqual(try server.ask("GET", "/health").status, 200)
  }

  /// Two hundred clients who submit, ask, leave in the middle and send rubbish: all answers are
  /// clear, and the memory stays what it was.
  func testManyClientsAtOnceLeaveNothingBehind() throws {
    try start { $0.mostJobs = 50 }
    let server = server!
    let file = try Upload.png()
    let (bomb, batch) = (try Upload.bomb(60_000, 60_000), "many-clients-at-once")
    let counts = Counts()
    func round(_ clients: Int, _ times: Int) {
      DispatchQueue.concurrentPerform(iterations: 1) { _ in
        let group = DispatchGroup()
        for client in 0..<clients {
          group.enter()
          Thread.detachNewThread {
            for time in 0..<times {
              let kind = (client + time) % 5
              let status = try? Self.visit(server, kind, file, bomb, batch)
              counts.add(kind, status ?? -1)
            }
            group.leave()
          }
        }
        group.wait()
      }
      _ = try? server.ask("DELETE", "/api/batches/\(batch)")
    }
    round(50, 4)
    let before = Self.residentMegabytes
    round(200, 6)
    XCTAssertLessThan(Self.residentMegabytes - before, 60, "megabytes more than before")
    for (kind, allowed) in [[201, 429], [200], [422, 429], [0], [400]].enumerated() {
      XCTAssertTrue(
        counts.statuses(kind).isSubset(of: allowed), "\(kind): \(counts.statuses(kind))")
    }
    XCTAssertEqual(try server.ask("GET", "/health").status, 200)
  }

  private static func visit(
    _ server: RunningServer, _ kind: Int, _ file: Data, _ bomb: Data, _ batch: String
  ) throws -> Int {
    switch kind {
    case 0: return try server.submit(file, "batch=\(batch)").status
    case 1: return try server.ask("GET", "/api/batches/\(batch)").status
    case 2: return try server.submit(bomb).status
    case 3:
      let connection = try RawConnection(server.port)
      connection.send(
        "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
          + "Content-Length: 100000\r\n\r\nabc")
      return 0
    default:
      let connection = try RawConnection(server.port)
      connection.send("rubbish\r\n\r\n")
      return connection.answer().status
    }
  }

  private final class Counts: @unchecked Sendable {
    private let lock = NSLock()
    private var seen: [Int: Set<Int>] = [:]

    func add(_ kind: Int, _ status: Int) {
      lock.withLock { _ = seen[kind, default: []].insert(status) }
    }

    func statuses(_ kind: Int) -> Set<Int> { lock.withLock { seen[kind] ?? [] } }
  }

  private static var residentMegabytes: Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096 >> 20
  }
}
