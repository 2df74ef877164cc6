import Foundation
import XCTest

/// A running `restormer serve` on a port of its own; it is killed with this object if it still runs.
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

  /// Sends a signal and gives the exit status.
  func end(_ signal: Int32) -> Int32 {
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process.terminationStatus
  }
}
