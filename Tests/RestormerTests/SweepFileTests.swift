import Foundation
import Restormer
import XCTest

final class SweepFileTests: XCTestCase {
  private func sweep(_ text: String) throws -> SweepFile {
    let path = NSTemporaryDirectory() + "sweep-\(UUID().uuidString).yml"
    defer { unlink(path) }
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return try SweepFile(contentsOf: path)
  }

  private func values(_ run: SweepRun) -> [String] { run.values.map { "\($0.key) \($0.value)" } }

  func testTheLastKeyChangesFastest() throws {
    let file = try sweep("grid:\n  loss: [l1, mse]\n  clip: [1, 2, 3]\n")
    XCTAssertEqual(file.keys, ["loss", "clip"])
    XCTAssertEqual(
      file.runs.map(values),
      ["l1", "mse"].flatMap { loss in (1...3).map { ["loss \(loss)", "clip \($0)"] } })
  }

  /// YAML would take these for a truth value, a text and a number with fewer digits.
  func testValuesKeepTheirLetters() throws {
    let file = try sweep(
      "base: {lr: 1e-3}\ngrid:\n  recompute: [on, off]\n  clip: 1.50\n  normalize: ['0.5,0.5']\n")
    XCTAssertEqual(file.base.map(\.value), ["1e-3"])
    XCTAssertEqual(file.runs.count, 2)
    XCTAssertEqual(values(file.runs[0]), ["recompute on", "clip 1.50", "normalize 0.5,0.5"])
  }

  func testAValueBringsOthersAlong() throws {
    let runs = try sweep("grid:\n  loss:\n    - l1\n    - mse: {lr: 0.1, clip: 2}\n").runs
    XCTAssertEqual(runs.map { $0.further.map(\.key) }, [[], ["lr", "clip"]])
    XCTAssertEqual(runs.map(\.name), ["loss=l1", "loss=mse"])
  }

  func testNamesAreFitForFolders() throws {
    let long = String(repeating: "x", count: 300)
    let runs = try sweep("grid:\n  options: [../a b/c.yml, \(long)]\n").runs
    XCTAssertEqual(runs[0].name, "options=..-a-b-c.yml")
    XCTAssertEqual(runs[1].name.count, 120)
    for run in runs {
      var options = TrainingOptions()
      options.data.target = "pages"
      options.name = run.name
      XCTAssertNil(options.fault)
    }
  }

  func testMoreRunsThanAnyoneWantsAreRefused() {
    let many = (0..<30).map(String.init).joined(separator: ", ")
    XCTAssertThrowsError(try sweep("grid: {lr: [\(many)], clip: [\(many)]}")) {
      XCTAssertTrue("\($0)".contains("900 runs, expected at most 500"), "\($0)")
    }
  }
}
