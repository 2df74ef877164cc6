import Foundation
import Restormer
import TestSupport
import XCTest

/// What is amiss in a file that can be read all the same is told by every command that reads it,
/// once.
final class RemarkTests: XCTestCase {
  func testEveryCommandPassesRemarksOn() throws {
    let scratch = try Scratch()
    for part in ["input", "target"] {
      for index in 0..<7 {
        let path = try scratch.picture("data/\(part)/\(index).png", 24, 24)
        // Without IEND, all of them in `input`.
        if part == "input" { truncate(path, off_t(try size(of: path) - 12)) }
      }
    }
    let (input, target) = (scratch.file("data/input"), scratch.file("data/target"))
    for arguments in [
      ["evaluate", input, target],
      ["compare", input, target, "-o", scratch.file("c.html")],
      ["submit", input, "-o", scratch.file("s.csv"), "--restored"],
      ["degrade", input, "-o", scratch.file("made")],
      [
        "train", "--data", scratch.file("data"), "--val", scratch.file("data"), "--preset", "tiny",
        "--steps", "7", "--patch", "16", "--batch", "1", "--experiments", scratch.file("runs"),
        "-d", "cpu",
      ],
    ] {
      let run = try Program.run(arguments)
      XCTAssertEqual(run.status, 0, run.errors)
      let lines = run.errors.split(separator: "\n").map(String.init)
      let told = lines.filter {
        $0.hasSuffix(".png: the end of the file is missing or damaged, all pixels are there")
      }
      XCTAssertEqual(told.count, 5, "\(arguments): \(run.errors)")
      XCTAssertEqual(Set(told).count, 5, run.errors)
      XCTAssertTrue(lines.contains("remarks about 2 more files"), "\(arguments): \(run.errors)")
    }
  }

  func testWhatAFormatCannotSayIsTold() throws {
    let scratch = try Scratch()
    // Primaries and transfer of a wide screen, between the header and the pixels.
    let page = try scratch.picture("a.png", 24, 24)
    let (plain, codes) = (
      try Data(contentsOf: URL(fileURLWithPath: page)), Array("cICP".utf8) + [12, 16, 0, 1]
    )
    let sum = checksum(codes)
    let chunk = [0, 0, 0, 4] + codes + PickleText.little(sum.byteSwapped)
    _ = try scratch.bytes("a.png", plain[..<33] + chunk + plain[33...])
    let run = try Program.run(
      [
        "restore", page, "-o", scratch.file("b.jpg"), "-d", "cpu", "-m",
        try scratch.weights(zero: true),
      ])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(
      run.errors.contains("left out: its colours as of cICP, which JPEG cannot name"), run.errors)
  }

  private func size(of path: String) throws -> Int {
    try Data(contentsOf: URL(fileURLWithPath: path)).count
  }
}
