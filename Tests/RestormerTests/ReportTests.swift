import Basics
import Foundation
import Restormer
import XCTest

/// What a report's page holds, read from its text; its life in a browser is tested with the command
/// line.
final class ReportTests: XCTestCase {
  private func gray(_ level: Float, width: Int = 24, height: Int = 16, alpha: Float? = nil) -> Image
  {
    Image(
      width: width, height: height, channels: 1,
      pixels: Array(repeating: level, count: width * height),
      alpha: alpha.map { Array(repeating: $0, count: width * height) })
  }

  private func colour(_ image: Image) -> Image {
    Image(
      width: image.width, height: image.height, channels: 3,
      pixels: image.pixels + image.pixels + image.pixels)
  }

  /// The parts of the page: its data, and its pictures by their names.
  private func read(
    _ report: ComparisonReport
  ) throws -> (data: [String: Any], images: [String: Image]) {
    let html = String(decoding: report.html, as: UTF8.self)
    var images: [String: Image] = [:]
    for match in html.matches(
      of: #/<script type="text/plain" id="([a-z0-9-]+)">data:image/[a-z]+;base64,([^<]*)</#)
    {
      let bytes = try XCTUnwrap(Data(base64Encoded: String(match.2)))
      images[String(match.1)] = try bytes.withUnsafeBytes { try Image(bytes: $0) }
    }
    let data = try XCTUnwrap(html.firstMatch(of: #/id="data">(.*)<\/script>/#)?.1)
    let object = try JSONSerialization.jsonObject(with: Data(data.utf8))
    return (try XCTUnwrap(object as? [String: Any]), images)
  }

  private func items(_ data: [String: Any]) -> [[String: Any]] {
    data["items"] as? [[String: Any]] ?? []
  }

  func testScoresAreThoseOfTheImages() throws {
    var report = ComparisonReport(title: "t", source: "s", count: 2)
    try report.add(
      "a.png", ReportViews(before: gray(0.5), after: gray(0.6), target: gray(0.7)))
    try report.add(
      "b.png", ReportViews(before: gray(0.5), after: gray(0.7), target: gray(0.7)))
    let items = items(try read(report).data)
    let after = try XCTUnwrap(items[0]["after"] as? [String: Double])
    let expected = try Scores(gray(0.6), against: gray(0.7))
    XCTAssertEqual(try XCTUnwrap(after["psnr"]), expected.psnr, accuracy: 1e-9)
    XCTAssertEqual(try XCTUnwrap(after["l1"]), expected.l1, accuracy: 1e-9)
    XCTAssertEqual(try XCTUnwrap(items[0]["difference"] as? Double), 0.1, accuracy: 1e-6)
    // Equal images have no PSNR that JSON could tell.
    let equal = try XCTUnwrap(items[1]["after"] as? [String: Double])
    XCTAssertEqual(Set(equal.keys), ["ssim", "l1", "l2"])
    XCTAssertEqual(report.means?.after.psnr, .infinity)
    XCTAssertEqual(try XCTUnwrap(report.means?.before?.l1), 0.2, accuracy: 1e-6)
  }

  func testABorderIsNotScored() throws {
    var target = gray(0.5)
    target.pixels[0] = 1
    var report = ComparisonReport(title: "t", source: "s", count: 1, border: 1)
    try report.add("a.png", ReportViews(after: gray(0.5), target: target))
    XCTAssertEqual(report.means?.after.l1, 0)
  }

  func testPicturesAreExact() throws {
    var report = ComparisonReport(title: "t", source: "s", count: 1)
    let after = colour(gray(0.2))
    try report.add("a.png", ReportViews(before: gray(0.4, alpha: 0.5), after: after))
    let (data, images) = try read(report)
    XCTAssertEqual(data["views"] as? [String], ["before", "after"])
    XCTAssertEqual(images["image-0-after"]?.pixels, after.pixels)
    // Half transparent over white, gray in three channels.
    let before = try XCTUnwrap(images["image-0-before"])
    XCTAssertEqual(before.channels, 3)
    XCTAssertNil(before.alpha)
    XCTAssertEqual(before.pixels[0], 0.7, accuracy: 0.003)
    XCTAssertEqual(data["notes"] as? [String], [])
  }

  func testALimitMakesPicturesSmaller() throws {
    var report = ComparisonReport(title: "t", source: "s", count: 2, limit: 120_000)
    for name in ["a.png", "b.png"] {
      var (noise, generator) = (gray(0, width: 900, height: 300), SplitMix64(seed: 7))
      for index in noise.pixels.indices {
        noise.pixels[index] = Float.random(in: 0...1, using: &generator)
      }
      try report.add(name, ReportViews(before: noise, after: noise))
    }
    let (data, images) = try read(report)
    XCTAssertLessThan(report.html.count, 120_000 + 45_000)
    for item in items(data) {
      XCTAssertEqual(item["width"] as? Int, 900)
      let shown = try XCTUnwrap(item["shown"] as? [Int])
      XCTAssertLessThan(shown[0], 900)
      XCTAssertEqual(Double(shown[0]) / Double(shown[1]), 3, accuracy: 0.05)
    }
    XCTAssertEqual(Set(images.values.map(\.width)).count, Set(images.values.map(\.height)).count)
    XCTAssertEqual((data["notes"] as? [String])?.count, 1)
  }

  func testNothingBreaksOutOfThePage() throws {
    let evil = "</script><script>alert(1)</script>{{style}}&\"'"
    var report = ComparisonReport(title: evil, source: evil, count: 1)
    try report.add(evil, ReportViews(after: gray(0.5)))
    let html = String(decoding: report.html, as: UTF8.self)
    XCTAssertFalse(html.contains("<script>alert"))
    XCTAssertTrue(html.contains("<title>&lt;/script&gt;&lt;script&gt;alert(1)"))
    XCTAssertEqual(items(try read(report).data)[0]["name"] as? String, evil)
  }
}
