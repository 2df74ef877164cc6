import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer serve` as a program: real weights, signals and files.
final class ServeCommandTests: XCTestCase {
  private func state(_ server: ServedProgram, _ id: String) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: server.curl("api/jobs/\(id)")) as? [String: Any] ?? [:]
  }

  func testTheResultIsThatOfRestoreAndNoFileIsLeft() throws {
    let scratch = try Scratch()
    let (weights, picture) = (try scratch.weights(), try scratch.picture("a.png", 40, 32))
    let temporary = scratch.file("tmp")
    try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    let server = try ServedProgram(["-m", weights], environment: ["TMPDIR": temporary])
    let answer = try server.curl(
      "api/jobs?name=a.png", ["-H", "Content-Type: image/png", "--data-binary", "@\(picture)"])
    let job = try JSONSerialization.jsonObject(with: answer) as? [String: Any] ?? [:]
    let id = try XCTUnwrap(job["id"] as? String, String(decoding: answer, as: UTF8.self))
    while ["queued", "running"].contains(try state(server, id)["state"] as? String) {
      usleep(20_000)
    }
    let restored = try scratch.bytes("served.png", server.curl("api/jobs/\(id)/result"))
    try Program.run(["restore", picture, "-o", scratch.file("out.png"), "-m", weights, "-d", "cpu"])
    XCTAssertEqual(try difference(restored, scratch.file("out.png")), 0)
    XCTAssertEqual(server.end(SIGINT), 0)
    XCTAssertEqual(scratch.names(in: "tmp"), [])
  }

  func testTheServerStartsAgainAtOnceAfterItWasKilled() throws {
    let scratch = try Scratch()
    let weights = try scratch.weights()
    let first = try ServedProgram(["-m", weights])
    let port = try XCTUnwrap(URL(string: first.url)?.port)
    let taken = try Program.run(["serve", "-p", "\(port)", "-d", "cpu", "-m", weights])
    XCTAssertEqual(taken.status, 1)
    XCTAssertEqual(taken.faults.count, 1, taken.errors)
    XCTAssertTrue(taken.errors.contains("127.0.0.1:\(port) cannot be listened at"), taken.errors)
    XCTAssertFalse(try first.curl("health").isEmpty)
    _ = first.end(SIGKILL)
    let second = try ServedProgram(["-m", weights], port: port)
    XCTAssertEqual(URL(string: second.url)?.port, port)
    XCTAssertEqual(second.end(SIGTERM), 0)
  }

  func testOtherMachinesNeedAToken() throws {
    for (options, fault) in [
      (["--address", "0.0.0.0"], "expected a token"), (["--address", "everywhere"], "numeric"),
      (["--token", "short"], "at least 12"), (["--max-jobs", "0"], "expected 1 to"),
    ] {
      let run = try Program.run(["serve", "-p", "0", "-d", "cpu"] + options)
      XCTAssertNotEqual(run.status, 0)
      XCTAssertTrue(run.errors.contains(fault), run.errors)
    }
  }
}
