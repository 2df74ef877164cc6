import Foundation
import Serve
import XCTest

/// A server in this process on a free port, with an engine that does as the test says.
final class RunningServer: @unchecked Sendable {
  let engine = StandInEngine()
  let server: ImageServer
  let port: Int
  private let done = DispatchSemaphore(value: 0)

  init(_ change: (inout ServeOptions) -> Void = { _ in }) throws {
    var options = ServeOptions()
    options.port = 0
    change(&options)
    server = try ImageServer(options, engine: engine, version: "1.2.3")
    port = try XCTUnwrap(URL(string: server.url)?.port)
    Thread.detachNewThread { [self] in
      server.run()
      done.signal()
    }
  }

  /// Ends the server; whether it ended within a few seconds.
  @discardableResult
  func stop() -> Bool {
    engine.open(1000)
    server.stop()
    return done.wait(timeout: .now() + 20) == .success
  }

  /// Sends one request and reads its answer.
  func ask(
    _ method: String = "GET", _ target: String, _ fields: [String] = [], body: Data? = nil
  ) throws -> Answer {
    let connection = try RawConnection(port)
    var lines = ["\(method) \(target) HTTP/1.1"]
    if !fields.contains(where: { $0.lowercased().hasPrefix("host:") }) {
      lines.append("Host: 127.0.0.1:\(port)")
    }
    lines += fields
    if let body { lines.append("Content-Length: \(body.count)") }
    connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n")
    if let body { connection.send(body) }
    return connection.answer()
  }

  func submit(
    _ file: Data, _ query: String = "", _ fields: [String] = ["Content-Type: image/png"]
  ) throws -> Answer {
    try ask("POST", "/api/jobs?\(query)", fields, body: file)
  }

  /// Submits a good file and gives the job's id.
  func job(_ query: String = "") throws -> String {
    let answer = try submit(Upload.png(), query)
    XCTAssertEqual(answer.status, 201, answer.text)
    return try XCTUnwrap(answer.json["id"] as? String)
  }

  /// A job once it is in one of the states.
  func wait(_ id: String, _ states: String...) throws -> [String: Any] {
    for _ in 0..<2000 {
      let job = try ask("GET", "/api/jobs/\(id)").json
      if states.contains(job["state"] as? String ?? "") { return job }
      usleep(5000)
    }
    XCTFail("job \(id) is never \(states)")
    return [:]
  }

  /// A number of `/metrics`.
  func metric(_ name: String) throws -> Double {
    let line = try ask("GET", "/metrics").text.split(separator: "\n").first {
      $0.hasPrefix("restormer_\(name) ")
    }
    return Double(line?.split(separator: " ").last ?? "") ?? .nan
  }
}

/// Stands in for the device: gives each file back once the test lets it.
final class StandInEngine: ImageEngine, @unchecked Sendable {
  let device = "stand-in"
  let models = ["first", "second"].map {
    OfferedModel(name: $0, purpose: "tests", leavesSharpAlone: $0 == "first")
  }
  private let gate = DispatchSemaphore(value: 0)
  private let lock = NSLock()
  private var isHeld = false
  private var seen: [JobRequest] = []
  private var fault: String?

  /// From now on each job takes four steps, each of which `open` has to let through.
  func hold() { lock.withLock { isHeld = true } }

  func open(_ steps: Int) { for _ in 0..<steps { gate.signal() } }

  /// From now on each job fails.
  func fail(_ fault: String) { lock.withLock { self.fault = fault } }

  /// What was asked for so far.
  var requests: [JobRequest] { lock.withLock { seen } }

  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  func restore(
    _ file: Data, _ request: JobRequest, progress: (Double) throws -> Void
  ) throws -> RestoredImage {
    let (isHeld, fault) = lock.withLock {
      seen.append(request)
      return (self.isHeld, self.fault)
    }
    for step in 1...4 {
      if isHeld { gate.wait() }
      try progress(Double(step) / 4)
    }
    if let fault { throw Fault(description: fault) }
    return RestoredImage(data: file, format: request.format ?? .png, isLeftAsItIs: false)
  }
}
