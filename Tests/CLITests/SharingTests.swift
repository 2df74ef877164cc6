import Foundation
import Restormer
import TestSupport
import XCTest

/// Files shared out over processes: the shards of a job array, and the ranks of MPI.
final class SharingTests: XCTestCase {
  private var scratch: Scratch!

  override func setUpWithError() throws {
    scratch = try Scratch()
    for index in 0..<5 {
      try scratch.picture("in/\(index).png", 24 + index, 16)
      try scratch.picture("target/\(index).png", 24 + index, 16, channels: index == 3 ? 1 : 3)
    }
    // Only one process may take both: their results have one name.
    try scratch.picture("in/1.jpg", 25, 16)
    _ = try scratch.bytes("in/2x.png", Data("no picture".utf8))
  }

  override func tearDown() { scratch = nil }

  private func restore(_ folder: String, _ more: String...) throws -> [String] {
    [
      "restore", scratch.file("in"), "-o", scratch.file(folder), "-m", try scratch.weights(), "-d",
      "cpu", "--json",
    ] + more
  }

  private func files(_ folder: String) -> [String: Data?] {
    let names = scratch.names(in: folder)
    return Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, FileManager.default.contents(atPath: scratch.file("\(folder)/\($0)")))
      })
  }

  private struct Row: Decodable, Equatable {
    let input: String
    let status: String
    let error: String?
  }

  private func rows(_ run: Program) throws -> [Row] {
    try JSONDecoder().decode([Row].self, from: Data(run.output.utf8))
  }

  func testShardsTogetherRestoreWhatOneProcessDoes() throws {
    let whole = try Program.run(restore("whole"))
    XCTAssertEqual(whole.status, 1)
    XCTAssertEqual(whole.faults.count, 2, whole.errors)
    let shards = try (1...3).map { try Program.run(restore("shards", "--shard", "\($0)/3")) }
    XCTAssertEqual(files("shards"), files("whole"))
    XCTAssertEqual(
      try shards.flatMap(rows).sorted { $0.input < $1.input }.map(\.status),
      try rows(whole).sorted { $0.input < $1.input }.map(\.status))
    XCTAssertEqual(shards.flatMap(\.faults).count, 2)
  }

  func testRanksRestoreWhatOneProcessDoes() throws {
    let page = ["--report", scratch.file("page.html")]
    let whole = try Program.run(restore("whole") + page)
    let report = FileManager.default.contents(atPath: scratch.file("page.html"))
    try Launcher.withEach { launcher in
      for count in [2, 4] {
        let folder = "\(launcher.name)-\(count)"
        let run = try Program.run(restore(folder) + page, launcher: launcher.ranks(count))
        XCTAssertEqual(run.status, 1, run.errors)
        XCTAssertEqual(files(folder), files("whole"))
        XCTAssertEqual(run.faults.count, 2, run.errors)
        XCTAssertEqual(
          run.errors.split(separator: "\n").filter { $0.contains(" -> ") }.count, 5, run.errors)
        XCTAssertEqual(try rows(run).map(\.input), try rows(whole).map(\.input))
        XCTAssertEqual(FileManager.default.contents(atPath: scratch.file("page.html")), report)
      }
    }
  }

  private func evaluate() throws -> [String] {
    [
      "evaluate", scratch.file("in"), scratch.file("target"), "--format", "csv", "-m",
      try scratch.weights(), "-d", "cpu", "--report", scratch.file("scores.html"),
    ]
  }

  func testScoresOfRanksAreThoseOfOneProcess() throws {
    try FileManager.default.removeItem(atPath: scratch.file("in/1.jpg"))
    let whole = try Program.run(evaluate())
    XCTAssertEqual(whole.output.split(separator: "\n").count, 7, whole.errors)
    let report = FileManager.default.contents(atPath: scratch.file("scores.html"))
    let first = try Program.run(evaluate() + ["--shard", "1/2"])
    let lines = whole.output.split(separator: "\n")
    XCTAssertEqual(
      first.output.split(separator: "\n").dropLast(), [lines[0], lines[1], lines[3], lines[5]])
    try Launcher.withEach { launcher in
      let run = try Program.run(evaluate(), launcher: launcher.ranks(3))
      XCTAssertEqual(run.output, whole.output, run.errors)
      XCTAssertEqual(run.status, whole.status)
      XCTAssertEqual(run.faults, whole.faults)
      XCTAssertEqual(FileManager.default.contents(atPath: scratch.file("scores.html")), report)
    }
  }

  private func degrade(_ folder: String, _ more: String...) -> [String] {
    ["degrade", scratch.file("target"), "-o", scratch.file(folder), "--count", "2"] + more
  }

  func testPairsOfShardsAreThoseOfOneProcess() throws {
    try Program.run(degrade("whole"))
    // They work at the same time, and both keep the record.
    let group = DispatchGroup()
    let commands = (1...3).map { degrade("shards", "--shard", "\($0)/3") }
    for command in commands {
      DispatchQueue.global().async(group: group) {
        let run = try? Program.run(command)
        XCTAssertEqual(run?.status, 0, run?.errors ?? "")
      }
    }
    group.wait()
    for part in ["input", "target", "."] {
      XCTAssertEqual(files("shards/\(part)"), files("whole/\(part)"), part)
    }
    let again = try Program.run(degrade("shards", "--shard", "1/3", "--overwrite", "--seed", "7"))
    XCTAssertEqual(again.status, 0, again.errors)
    let record = try DegradationManifest(at: scratch.file("shards/manifest.json"))
    XCTAssertEqual(record.pairs.map(\.seed), [7, 7, 100, 100, 100, 100, 7, 7, 100, 100])
  }

  func testPairsOfRanksAreThoseOfOneProcess() throws {
    try Program.run(degrade("whole"))
    try Launcher.withEach { launcher in
      let run = try Program.run(degrade(launcher.name), launcher: launcher.ranks(3))
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains("10 pairs"), run.errors)
      for part in ["input", "target", "."] {
        XCTAssertEqual(files("\(launcher.name)/\(part)"), files("whole/\(part)"), part)
      }
    }
  }

  func testWhatCannotBeSharedIsRefused() throws {
    for shard in ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3"] {
      let run = try Program.run(restore("out", "--shard", shard))
      XCTAssertEqual(run.status, 64, shard)
      XCTAssertTrue(run.errors.contains("--shard"), run.errors)
    }
    try Launcher.withEach { launcher in
      let command = [
        "submit", scratch.file("target"), "-o", scratch.file("x.csv"), "--restored",
      ]
      let run = try Program.run(command, launcher: launcher.ranks(2))
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      XCTAssertTrue(run.fault.contains("submit is work for one process"), run.errors)
      let twice = try Program.run(restore("out", "--shard", "1/2"), launcher: launcher.ranks(2))
      XCTAssertEqual(twice.faults.count, 1, twice.errors)
      XCTAssertTrue(twice.fault.contains("--shard is for processes"), twice.errors)
    }
  }
}
