import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer serve` as a program: real weights, signals and files.
final class ServeCommandTests: XCTestCase {
  private func state(_ server: ServedProgram, _ id: String) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: server.curl("api/jobs/\(id)")) as? [String: Any] ?? [:]
  }

  /// Hands a picture in and waits for the end of its job.
  private func finished(
    _ server: ServedProgram, _ picture: String, _ query: String = ""
  ) throws -> [String: Any] {
    let answer = try server.curl(
      "api/jobs?name=a.png\(query)",
      ["-H", "Content-Type: image/png", "--data-binary", "@\(picture)"])
    let job = try JSONSerialization.jsonObject(with: answer) as? [String: Any] ?? [:]
    let id = try XCTUnwrap(job["id"] as? String, String(decoding: answer, as: UTF8.self))
    var last = job
    while ["queued", "running"].contains(last["state"] as? String) {
      usleep(20_000)
      last = try state(server, id)
    }
    return last
  }

  /// The bundled model leaves a sharp page alone; whoever asks for the job hears of it.
  func testTheJobSaysWhatWasDecided() throws {
    let server = try ServedProgram([])
    let sharp = try finished(server, Examples.path("page-sharp.png"))
    XCTAssertEqual(sharp["decision"] as? String, "sharp already: left as it is", "\(sharp)")
    XCTAssertEqual(sharp["leftAsItIs"] as? Bool, true)
    let blurred = try finished(server, Examples.path("page-blurred.png"))
    XCTAssertEqual(blurred["state"] as? String, "done")
    XCTAssertEqual(blurred["leftAsItIs"] as? Bool, false)
    let decision = blurred["decision"] as? String ?? "restored as a whole"
    XCTAssertTrue(decision.hasPrefix("restored"), decision)
    XCTAssertEqual(server.end(SIGINT), 0)
  }

  func testTheResultIsThatOfRestoreAndNoFileIsLeft() throws {
    let scratch = try Scratch()
    let (weights, picture) = (try scratch.weights(), try scratch.picture("a.png", 40, 32))
    let temporary = scratch.file("tmp")
    try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    let server = try ServedProgram(["-m", weights], environment: ["TMPDIR": temporary])
    let id = try XCTUnwrap(try finished(server, picture)["id"] as? String)
    let restored = try scratch.bytes("served.png", server.curl("api/jobs/\(id)/result"))
    try Program.run(["restore", picture, "-o", scratch.file("out.png"), "-m", weights, "-d", "cpu"])
    XCTAssertEqual(try difference(restored, scratch.file("out.png")), 0)
    XCTAssertEqual(server.end(SIGINT), 0)
    XCTAssertEqual(scratch.names(in: "tmp"), [])
  }

  /// Of a page that is restored in part, too: what comes back there is mixed with what was given.
  func testABlurredPageIsRestoredAsInAFile() throws {
    let scratch = try Scratch()
    let server = try ServedProgram([])
    let page = scratch.file("page.png")
    var image = try Image(contentsOf: Examples.path("page-blurred.png"))
    let sharp = try Image(contentsOf: Examples.path("page-sharp.png"))
    for index in image.pixels.indices where index % image.width < image.width / 2 {
      image.pixels[index] = sharp.pixels[index]
    }
    try image.write(to: page, format: .png)
    let job = try finished(server, page)
    let decision = try XCTUnwrap(job["decision"] as? String, "\(job)")
    XCTAssertTrue(decision.hasPrefix("restored"), decision)
    let id = try XCTUnwrap(job["id"] as? String)
    let served = try scratch.bytes("served.png", server.curl("api/jobs/\(id)/result"))
    try Program.run(["restore", page, "-o", scratch.file("out.png"), "-d", "cpu"])
    XCTAssertEqual(try difference(served, scratch.file("out.png")), 0)
    XCTAssertEqual(server.end(SIGINT), 0)
  }

  func testWhatIsLeftAloneComesBackToTheByte() throws {
    let scratch = try Scratch()
    let server = try ServedProgram([])
    let photograph = scratch.file("sharp.jpg")
    try Image(contentsOf: Examples.path("page-sharp.png")).write(to: photograph, format: .jpeg)
    let job = try finished(server, photograph)
    XCTAssertEqual(job["leftAsItIs"] as? Bool, true, "\(job)")
    let id = try XCTUnwrap(job["id"] as? String)
    XCTAssertEqual(
      try server.curl("api/jobs/\(id)/result"),
      try Data(contentsOf: URL(fileURLWithPath: photograph)))
    let other = try XCTUnwrap(
      try finished(server, photograph, "&format=png")["id"] as? String)
    let bytes = try server.curl("api/jobs/\(other)/result")
    XCTAssertTrue(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]), "no PNG")
    XCTAssertEqual(try difference(scratch.bytes("result.png", bytes), photograph), 0)
    XCTAssertEqual(server.end(SIGINT), 0)
  }

  func testAKilledServerStartsAgainAtItsPort() throws {
    let scratch = try Scratch()
    let (weights, picture) = (try scratch.weights(), try scratch.picture("a.png", 40, 32))
    let first = try ServedProgram(["-m", weights])
    let upload = ["-H", "Content-Type: image/png", "--data-binary", "@\(picture)"]
    _ = try first.curl("api/jobs?name=a.png", upload)
    XCTAssertEqual(first.end(SIGKILL), SIGKILL)
    // Connections that were answered keep the port for a while.
    let second = try ServedProgram(["-m", weights], port: first.port)
    XCTAssertEqual(second.url, first.url)
    let health = String(decoding: try second.curl("health"), as: UTF8.self)
    XCTAssertTrue(health.contains("\"queued\":0,\"running\":0"), health)
    XCTAssertEqual(second.end(SIGTERM), 0)
  }

  func testOtherMachinesNeedAToken() throws {
    for (options, fault) in [
      (["--address", "0.0.0.0"], "expected a token"),
      (["--address", "everywhere"], "address everywhere: expected a numeric"),
      (["--token", "short"], "at least 12"), (["--max-jobs", "0"], "from 1 to"),
      (["-p", "65536"], "65535"),
    ] {
      let run = try Program.run(["serve", "-p", "0", "-d", "cpu"] + options)
      XCTAssertEqual(run.status, 64, "wrong options")
      XCTAssertTrue(run.errors.contains(fault), run.errors)
    }
  }
}
