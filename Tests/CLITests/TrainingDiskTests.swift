import Foundation
import TestSupport
import XCTest

/// A disk that fills up while a run saves: the run goes on, and its newest state takes the oldest
/// one's room.
final class TrainingDiskTests: XCTestCase {
  func testTheOldestStateGivesWayOnAFullDisk() throws {
    let scratch = try Scratch()
    let disk = scratch.file("disk")
    for part in ["input", "target"] { try scratch.picture("data/\(part)/a.png", 24, 24) }
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    // Room for two states of 12.1 MB, weights of 4 MB twice, and half a state.
    guard shell("mount -t tmpfs -o size=38m tmpfs '\(disk)' 2>/dev/null") == 0 else {
      throw XCTSkip("no disk to fill: mounting one needs root")
    }
    defer { _ = shell("umount '\(disk)'") }
    let run = try Program.run([
      "train", "--data", scratch.file("data"), "--preset", "tiny", "--steps", "6", "--patch", "16",
      "--batch", "1", "--save-every", "2", "--device", "cpu", "--experiments", disk, "--name", "r",
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    for step in [2, 4, 6] { XCTAssertTrue(run.errors.contains("saved after step \(step)")) }
    XCTAssertEqual(scratch.names(in: "disk/r/states"), ["000000004.state", "000000006.state"])
    XCTAssertEqual(
      scratch.names(in: "disk/r/models"), ["final.safetensors", "latest.safetensors"])
  }

  private func shell(_ command: String) -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    guard (try? process.run()) != nil else { return -1 }
    process.waitUntilExit()
    return process.terminationStatus
  }
}
