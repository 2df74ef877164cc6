import Foundation
import TestSupport
import XCTest

/// `evaluate` against the recorded scores of scikit-image, BasicSR and MATLAB's luma (golden case
/// 07).
final class EvaluateTests: XCTestCase {
  private var scratch: Scratch!
  private var expected: [String: [String: Any]] = [:]

  override func setUpWithError() throws {
    scratch = try Scratch()
    let manifest = try Golden.manifest("07_metrics")
    expected = try XCTUnwrap(manifest["images"] as? [String: [String: Any]])
    for (part, suffix) in [("restored", "b"), ("target", "a")] {
      try FileManager.default.createDirectory(
        atPath: scratch.file(part), withIntermediateDirectories: true)
      for name in expected.keys {
        try FileManager.default.copyItem(
          at: Golden.file("07_metrics", "\(name)_\(suffix).png"),
          to: URL(fileURLWithPath: scratch.file("\(part)/\(name).png")))
      }
    }
  }

  override func tearDown() { scratch = nil }

  private func evaluate(_ format: String) throws -> String {
    let run = try Program.run(
      ["evaluate", scratch.file("restored"), scratch.file("target"), "--format", format])
    XCTAssertEqual(run.status, 0, run.errors)
    return run.output
  }

  func testEveryColumnIsTheRecordedScore() throws {
    let rows = try XCTUnwrap(
      JSONSerialization.jsonObject(with: Data(try evaluate("json").utf8)) as? [[String: Any]])
    XCTAssertEqual(rows.count, expected.count + 1)
    let columns = [
      "psnr": "psnr", "ssim": "ssim", "l1": "l1_01", "l2": "mse_01", "psnr_y": "psnr_y_basicsr",
      "ssim_y": "ssim_y_skimage", "psnr_y8": "psnr_y_uint8", "ssim_y8": "ssim_y_uint8_skimage",
    ]
    var sums: [String: Double] = [:]
    for row in rows.dropLast() {
      let name = try XCTUnwrap(row["file"] as? String)
      let recorded = try XCTUnwrap(expected[String(name.dropLast(4))])
      for (column, key) in columns {
        let value = try XCTUnwrap(row[column] as? Double, column)
        sums[column, default: 0] += value / Double(expected.count)
        // A gray image is its own luma, of which nothing is recorded.
        guard let wanted = recorded[key] as? Double else { continue }
        XCTAssertEqual(value, wanted, accuracy: 1e-6 * wanted, "\(name) \(column)")
      }
    }
    let mean = try XCTUnwrap(rows.last)
    XCTAssertEqual(mean["file"] as? String, "mean")
    for (column, sum) in sums {
      XCTAssertEqual(try XCTUnwrap(mean[column] as? Double), sum, accuracy: 1e-9, column)
    }
  }

  /// 16 bits beside 8 differ by what was rounded away.
  func testDifferentDepthsAreSaid() throws {
    let images = [8, 16].map { depth in (0..<2).map { "\(depth)/\($0).png" } }
    for (names, depth) in zip(images, [8, 16]) {
      for name in names { try scratch.picture(name, 16, 16, bitDepth: depth) }
    }
    for (target, isSaid) in [("8", false), ("16", true)] {
      let run = try Program.run(["evaluate", scratch.file("8"), scratch.file(target)])
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertEqual(
        run.errors.hasPrefix("0.png and 1 more: 8 bits a sample are compared with 16"), isSaid,
        run.errors)
    }
  }

  func testTableAndCSVHoldTheSameRows() throws {
    let csv = try evaluate("csv").split(separator: "\n").map { $0.split(separator: ",") }
    let table = try evaluate("table").split(separator: "\n").map { $0.split(separator: " ") }
    XCTAssertEqual(csv.count, expected.count + 2)
    XCTAssertEqual(table[0], csv[0])
    for (line, row) in zip(table, csv).dropFirst() {
      XCTAssertEqual(line[0], row[0])
      for (shown, value) in zip(line, row).dropFirst() {
        XCTAssertEqual(
          try XCTUnwrap(Double(shown)), try XCTUnwrap(Double(value)), accuracy: 5.1e-5)
      }
    }
  }
}
