import Foundation
import XCTest

/// Browsers that misbehave: tests that meet one fail soon, and nothing of it is left.
final class BrowserPipeTests: XCTestCase {
  private func start(_ script: String, in scratch: Scratch) throws -> Browser {
    let path = try scratch.bytes("browser", Data("#!/bin/bash\n\(script)\n".utf8))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return try Browser(path, patience: 0.5)
  }

  private func assertFails(
    _ script: String, _ expected: String, _ scratch: Scratch, line: UInt = #line
  ) {
    XCTAssertThrowsError(try start(script, in: scratch), line: line) {
      XCTAssertEqual("\($0)", expected, line: line)
    }
  }

  func testOneThatHangsIsKilledWithItsHelpers() throws {
    let scratch = try Scratch()
    let helper = scratch.file("helper")
    assertFails(
      "trap '' TERM PIPE HUP; sleep 600 & echo $! > '\(helper)'; wait",
      "the browser does not answer", scratch)
    let number = try String(contentsOfFile: helper, encoding: .utf8).split(separator: "\n")[0]
    // What has ended has no command line, though its number may be kept for a parent that does not
    // ask.
    func isRunning() -> Bool {
      FileManager.default.contents(atPath: "/proc/\(number)/cmdline")?.isEmpty == false
    }
    for _ in 0..<100 where isRunning() { usleep(20_000) }
    XCTAssertFalse(isRunning())
  }

  func testOneThatDiesIsAnError() throws {
    let scratch = try Scratch()
    assertFails("exit 1", "the browser has gone", scratch)
    assertFails("exec <&3 >&4 3<&- 4>&-; head -c 5 >/dev/null", "the browser has gone", scratch)
  }

  /// Talking about something else is no answer.
  func testOneThatOnlyChattersIsGivenUp() throws {
    assertFails(
      #"while printf '{"method":"Page.frameNavigated"}\0' >&4; do sleep 0.05; done"#,
      "the browser does not answer", try Scratch())
  }
}
