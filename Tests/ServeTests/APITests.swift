import Foundation
import Restormer
import Serve
import XCTest

/// What programs do with the server.
final class APITests: XCTestCase {
  private var server: RunningServer!

  override func setUpWithError() throws { server = try RunningServer() }

  override func tearDown() {
    XCTAssertTrue(server.stop(), "the server does not end")
    server = nil
  }

  func testAJobRunsToItsResult() throws {
    let file = try Upload.png()
    let answer = try server.submit(file, "name=scans/page%201.png&model=second&tta=1&format=jpeg")
    XCTAssertEqual(answer.status, 201, answer.text)
    let id = try XCTUnwrap(answer.json["id"] as? String)
    XCTAssertEqual(answer.header("Location"), "/api/jobs/\(id)")
    let job = try server.wait(id, "done")
    XCTAssertEqual(job["resultName"] as? String, "page 1.jpg")
    XCTAssertEqual(job["width"] as? Int, 24)
    XCTAssertEqual(job["progress"] as? Double, 1)
    let result = try server.ask("GET", "/api/jobs/\(id)/result")
    XCTAssertEqual(result.body, file)
    XCTAssertEqual(result.header("Content-Type"), "image/jpeg")
    XCTAssertEqual(
      result.header("Content-Disposition"), "attachment; filename*=UTF-8''page%201.jpg")
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(id)/source").body, file)
    let request = try XCTUnwrap(server.engine.requests.first)
    XCTAssertEqual(request.model, "second")
    XCTAssertTrue(request.ensemble && !request.evenSharp && request.format == .jpeg)
    XCTAssertEqual(try server.ask("DELETE", "/api/jobs/\(id)").status, 204)
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(id)/result").status, 404)
    XCTAssertEqual(try server.metric("memory_bytes"), 0)
  }

  func testEventsTellEveryStepAndEndWithTheJob() throws {
    server.engine.hold()
    let id = try server.job()
    let listener = try RawConnection(server.port)
    listener.send("GET /api/jobs/\(id)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for step in 1...4 {
      server.engine.open(1)
      if step < 4 {
        while try server.ask("GET", "/api/jobs/\(id)").json["progress"] as? Double
          != Double(step) / 4
        { usleep(2000) }
      }
    }
    let text = listener.answer().text
    let events = text.components(separatedBy: "\n\n").filter { $0.hasPrefix("event: job\ndata: ") }
    let states = events.compactMap { event in
      (try? JSONSerialization.jsonObject(with: Data(event.dropFirst(17).utf8))) as? [String: Any]
    }
    XCTAssertEqual(states.last?["state"] as? String, "done", text)
    XCTAssertEqual(states.count, events.count)
    let steps = states.compactMap { $0["progress"] as? Double }
    XCTAssertEqual(steps, steps.sorted())
    XCTAssertTrue(steps.contains(0.25), "\(steps)")
  }

  func testJobsTakeTurnsAndBatchesAreFetchedTogether() throws {
    server.engine.hold()
    let batch = "batch-of-three-jobs"
    let ids = try ["a.png", "b.png", "A.png"].map { try server.job("batch=\(batch)&name=\($0)") }
    _ = try server.wait(ids[0], "running")
    XCTAssertEqual(try server.metric("jobs_running"), 1)
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(ids[2])").json["ahead"] as? Int, 1)
    XCTAssertEqual(try server.ask("GET", "/api/batches/\(batch)/results.zip").status, 404)
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(ids[2])/result").status, 409)
    server.engine.open(12)
    for id in ids { _ = try server.wait(id, "done") }
    let jobs = try JSONSerialization.jsonObject(
      with: server.ask("GET", "/api/batches/\(batch)").body)
    XCTAssertEqual((jobs as? [[String: Any]])?.compactMap { $0["id"] as? String }, ids)
    let zip = try server.ask("GET", "/api/batches/\(batch)/results.zip")
    XCTAssertEqual(zip.status, 200)
    try checkArchive(zip.body, ["a.png", "b.png", "A (2).png"], of: Upload.png())
    XCTAssertEqual(try server.ask("DELETE", "/api/batches/\(batch)").status, 204)
    XCTAssertEqual(try server.ask("GET", "/api/batches/\(batch)").text, "[]")
    XCTAssertEqual(try server.metric("memory_bytes"), 0)
  }

  /// Python's reader finds each file whole; where there is none the archive is only looked at.
  private func checkArchive(_ archive: Data, _ names: [String], of file: Data) throws {
    for name in names { XCTAssertNotNil(archive.firstRange(of: Data(name.utf8)), name) }
    let path = NSTemporaryDirectory() + "restormer-\(UUID().uuidString).zip"
    try archive.write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let script = """
      import sys, zipfile
      archive = zipfile.ZipFile(sys.argv[1])
      assert archive.testzip() is None
      for entry in archive.infolist(): print(entry.filename, entry.file_size)
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script, path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let lines = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus != 127 else { return }
    XCTAssertEqual(lines, names.map { "\($0) \(file.count)\n" }.joined())
  }

  func testWaitingAndRunningJobsAreCancelled() throws {
    server.engine.hold()
    let (first, second) = (try server.job(), try server.job())
    _ = try server.wait(first, "running")
    let listener = try RawConnection(server.port)
    listener.send("GET /api/jobs/\(second)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    XCTAssertTrue(listener.receive().count > 0)
    XCTAssertEqual(try server.ask("DELETE", "/api/jobs/\(second)").status, 204)
    let rest = String(decoding: listener.received(), as: UTF8.self)
    XCTAssertTrue(rest.contains("event: forgotten"), rest)
    XCTAssertEqual(try server.ask("DELETE", "/api/jobs/\(first)").status, 204)
    XCTAssertEqual(try server.ask("GET", "/api/jobs/\(first)").status, 404)
    let third = try server.job()
    // One step ends the first, whose turn it was; four are the third's.
    server.engine.open(5)
    _ = try server.wait(third, "done")
    XCTAssertEqual(server.engine.requests.count, 2)
    XCTAssertEqual(try server.metric("jobs_finished_total{state=\"cancelled\"}"), 2)
  }

  func testAFailureIsTold() throws {
    server.engine.fail("the device is on fire")
    let job = try server.wait(server.job(), "failed")
    XCTAssertEqual(job["error"] as? String, "the device is on fire")
  }

  func testWrongRequestsAreNamed() throws {
    let file = try Upload.png()
    for (query, status, fault) in [
      ("model=third", 400, "model third: expected one of first, second"),
      ("format=gif", 400, "format gif: expected png, jpeg or same"),
      ("format=tiff", 400, "format tiff: expected png, jpeg or same"),
      ("tta=maybe", 400, "tta maybe: expected true or false"), ("size=3", 400, "parameter size"),
      ("batch=short", 400, "batch: expected 16 to 64"), ("name=%ff", 400, "percent-encoded"),
    ] {
      let answer = try server.submit(file, query)
      XCTAssertEqual(answer.status, status, query)
      XCTAssertTrue(answer.fault.contains(fault), answer.fault)
    }
    for (method, target, status) in [
      ("GET", "/nothing", 404), ("PUT", "/api/jobs", 405), ("OPTIONS", "/api/jobs", 405),
      ("GET", "/api/jobs/none", 404), ("DELETE", "/api/jobs/none", 404),
      ("GET", "/api/jobs/none/result", 404), ("GET", "/api/jobs/none/events", 404),
      ("GET", "/api", 404), ("GET", "//", 404), ("GET", "/api/jobs/none/other/more", 404),
    ] {
      XCTAssertEqual(try server.ask(method, target).status, status, "\(method) \(target)")
    }
    for (target, allowed) in [
      ("/api/jobs", "POST"), ("/api/jobs/none", "GET, HEAD, DELETE"), ("/health", "GET, HEAD"),
    ] {
      XCTAssertEqual(try server.ask("PATCH", target).header("Allow"), allowed, target)
    }
    XCTAssertEqual(try server.ask("HEAD", "/health").body, Data())
  }

  func testAPictureThatBrowsersDoNotShowIsGivenAsPNG() throws {
    let bitmap = Upload.bitmap(3, 2)
    let answer = try server.submit(bitmap, "name=a.bmp", ["Content-Type: image/bmp"])
    XCTAssertEqual(answer.status, 201, answer.text)
    let id = try XCTUnwrap(answer.json["id"] as? String)
    // Its result is counted, too, from whenever it is there.
    _ = try server.wait(id, "done")
    let path = "/api/jobs/\(id)/source"
    let source = try server.ask("GET", path)
    XCTAssertEqual(source.body, bitmap)
    XCTAssertEqual(source.header("Content-Type"), "image/bmp")
    let shown = try server.ask("GET", path + "?format=png")
    XCTAssertEqual(shown.header("Content-Type"), "image/png")
    let (picture, original) = (try image(shown.body), try image(bitmap))
    XCTAssertEqual([picture.width, picture.height], [3, 2])
    XCTAssertEqual(picture.pixels, original.pixels)
    // It is held once, however many ask for it, and goes with the job.
    let held = try server.metric("memory_bytes")
    XCTAssertEqual(try server.ask("GET", path + "?format=png").body, shown.body)
    XCTAssertEqual(try server.metric("memory_bytes"), held)
    XCTAssertEqual(
      try server.ask("GET", path + "?format=gif").fault,
      "format=gif: expected png, or none for the upload")
    XCTAssertEqual(
      try server.ask("DELETE", path.replacing("/source", with: "")).status, 204)
    XCTAssertEqual(try server.metric("memory_bytes"), 0)
  }

  private func image(_ file: Data) throws -> Image {
    try file.withUnsafeBytes { try Image(bytes: $0) }
  }

  /// Every operation of the description is there, answers as described and no answer has fields of
  /// its own.
  func testTheDescriptionIsTrue() throws {
    let document = try server.ask("GET", "/api/openapi.json").json
    let schemas = try XCTUnwrap(
      (document["components"] as? [String: Any])?["schemas"] as? [String: [String: Any]])
    let paths = try XCTUnwrap(document["paths"] as? [String: [String: Any]])
    let id = try server.job("batch=described-batch-1")
    _ = try server.wait(id, "done")
    var operations = 0
    for (path, methods) in paths.sorted(by: { $0.key > $1.key }) {
      for method in ["get", "post", "delete"] {
        guard let operation = methods[method] as? [String: Any] else { continue }
        operations += 1
        let responses = try XCTUnwrap(operation["responses"] as? [String: [String: Any]])
        guard path != "/api/batches/{batch}/events" else { continue }
        let target = path.replacing("{id}", with: method == "delete" ? try server.job() : id)
          .replacing(
            "{batch}", with: method == "delete" ? "another-batch-name" : "described-batch-1")
        let answer =
          method == "post"
          ? try server.submit(Upload.png()) : try server.ask(method.uppercased(), target)
        let success = try XCTUnwrap(responses.keys.filter { $0.hasPrefix("2") }.first)
        XCTAssertEqual("\(answer.status)", success, "\(method) \(path)")
        let content = responses[success]?["content"] as? [String: [String: Any]] ?? [:]
        let type = answer.header("Content-Type")?.split(separator: ";").first.map(String.init)
        if method != "delete" {
          XCTAssertTrue(content.keys.contains(type ?? "none"), "\(path): \(type ?? "none")")
        }
        let schema = (content["application/json"]?["schema"] as? [String: String])?["$ref"]
        guard let name = schema?.split(separator: "/").last.map(String.init) else { continue }
        let fields = try XCTUnwrap(schemas[name]?["properties"] as? [String: Any])
        let required = try XCTUnwrap(schemas[name]?["required"] as? [String])
        XCTAssertTrue(Set(answer.json.keys).isSubset(of: fields.keys), "\(path): \(answer.text)")
        XCTAssertTrue(Set(required).isSubset(of: answer.json.keys), "\(path): \(answer.text)")
      }
    }
    XCTAssertEqual(operations, 14)
  }
}
