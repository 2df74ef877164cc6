import Foundation
import XCTest

/// An MPI library's launcher.
struct Launcher {
  let name: String
  let command: [String]

  static let all = [
    Launcher(
      name: "openmpi",
      command: [
        "timeout", "100", "mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-q",
      ]),
    Launcher(name: "mpich", command: ["timeout", "100", "mpirun.mpich"]),
  ]

  /// A launch of `count` ranks.
  func ranks(_ count: Int) -> [String] { command + ["-n", "\(count)"] }

  /// Builds the plug-ins and calls `body` with each launcher; skips by name what is not installed.
  static func withEach(_ body: (Launcher) throws -> Void) throws {
    let folder = (try Program.path() as NSString).deletingLastPathComponent
    try shell(["Scripts/mpi.sh", folder])
    let found = all.filter {
      FileManager.default.fileExists(atPath: "\(folder)/librestormer-\($0.name).so")
    }
    for launcher in found { try body(launcher) }
    let missing = all.map(\.name).filter { name in !found.contains { $0.name == name } }
    if !missing.isEmpty { throw XCTSkip("not installed: \(missing.joined(separator: ", "))") }
  }

  private static func shell(_ command: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
  }
}
