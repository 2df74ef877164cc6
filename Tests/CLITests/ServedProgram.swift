import Foundation
import XCTest

/// A running `restormer serve` on a port of its own; it is killed with this object if it still
/// runs.
final class ServedProgram {
  let process = Process()
  /// The page's address.
  private(set) var url = ""
  private let errors = Pipe()

  /// Starts the program and waits until it answers.
  init(_ options: [String], port: Int = 0, environment: [String: String] = [:]) throws {
    process.executableURL = URL(fileURLWithPath: try Program.path())
    process.arguments = ["serve", "--port", "\(port)", "-d", "cpu"] + options
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // One that neither answers nor ends would hold the tests for ever.
    let watchdog = DispatchWorkItem { [process] in kill(process.processIdentifier, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: watchdog)
    defer { watchdog.cancel() }
    var text = ""
    while !text.contains("Ctrl-C") {
      let piece = errors.fileHandleForReading.availableData
      guard !piece.isEmpty else { break }
      text += String(decoding: piece, as: UTF8.self)
    }
    let words = text.split(whereSeparator: \.isWhitespace)
    url = try XCTUnwrap(words.first { $0.hasPrefix("http://") }.map(String.init), text)
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  /// What `curl` prints of an address below the page's.
  func curl(_ path: String, _ options: [String] = []) throws -> Data {
    let curl = Process()
    curl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    curl.arguments = ["curl", "-s", "-m", "60", url + path] + options
    let output = Pipe()
    curl.standardOutput = output
    try curl.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    curl.waitUntilExit()
    return data
  }

  /// The port of the page's address.
  var port: Int { URL(string: url)?.port ?? 0 }

  /// Sends a signal and gives the exit status, or that signal; nil where the program goes on for 20
  /// seconds.
  func end(_ signal: Int32) -> Int32? {
    kill(process.processIdentifier, signal)
    for _ in 0..<1000 where process.isRunning { usleep(20_000) }
    return process.isRunning ? nil : process.terminationStatus
  }
}
