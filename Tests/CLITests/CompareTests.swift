import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer compare` and `--report` from outside, without a browser.
final class CompareTests: XCTestCase {
  func testThePageIsOneFileThatNamesNoOther() throws {
    let scratch = try Scratch()
    for folder in ["before", "after", "target"] { try scratch.picture("\(folder)/a.png", 40, 30) }
    let run = try Program.run([
      "compare", scratch.file("before"), scratch.file("after"), "--target", scratch.file("target"),
      "-o", scratch.file("page.html"),
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("page.html: one image"), run.errors)
    XCTAssertEqual(run.output.split(separator: "\n").count, 3, run.output)
    let page = try String(contentsOfFile: scratch.file("page.html"), encoding: .utf8)
    for address in ["http:", "https:", "//fonts", "src=\"", "@import", "url(", "import("] {
      XCTAssertFalse(page.contains(address), address)
    }
    XCTAssertFalse(page.contains("{{"), "a part is missing")
  }

  /// A limit too small for the images: they are shown smaller, and the page says so and keeps to
  /// it.
  func testALargeBatchKeepsToTheLimit() throws {
    let scratch = try Scratch()
    for index in 0..<3 {
      let image = Image(
        width: 500, height: 400, channels: 3,
        pixels: (0..<3 * 500 * 400).map { _ in Float.random(in: 0...1) })
      for folder in ["before", "after"] {
        try FileManager.default.createDirectory(
          atPath: scratch.file(folder), withIntermediateDirectories: true)
        try image.write(to: scratch.file("\(folder)/\(index).png"), format: .png)
      }
    }
    let run = try Program.run([
      "compare", scratch.file("before"), scratch.file("after"), "--limit", "1", "-o",
      scratch.file("page.html"),
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    let page = try Data(contentsOf: URL(fileURLWithPath: scratch.file("page.html")))
    XCTAssertLessThan(page.count, 1_150_000)
    let text = String(decoding: page, as: UTF8.self)
    XCTAssertTrue(text.contains("3 of 3 images are shown as JPEG, 3 of them smaller"), run.errors)
    XCTAssertTrue(text.contains("\"width\":500"))
  }

  func testFaultsAreOneLineAndLeaveNothing() throws {
    let scratch = try Scratch()
    try scratch.picture("in/a.png", 16, 16)
    try scratch.picture("other/b.png", 16, 16)
    try scratch.picture("large/a.png", 17, 16)
    try scratch.picture("small/a.png", 8, 8)
    try FileManager.default.createDirectory(
      atPath: scratch.file("empty"), withIntermediateDirectories: true)
    let page = scratch.file("out/page.html")
    try FileManager.default.createDirectory(
      atPath: scratch.file("out"), withIntermediateDirectories: true)
    for (before, after, options, part) in [
      ("in", "other", [], "no partner"), ("in", "large", [], "not of the same size"),
      ("in", "empty", [], "no PNG, JPEG, TIFF, WebP or BMP"),
      ("none", "in", [], "none: the folder cannot be read"),
      ("in", "in", ["--target", scratch.file("large")], "not of the same size"),
      ("small", "small", ["--target", scratch.file("small")], "small/a.png: "),
    ] {
      let run = try Program.run(
        ["compare", scratch.file(before), scratch.file(after), "-o", page] + options)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
      XCTAssertTrue(run.errors.contains(part), run.errors)
      XCTAssertEqual(scratch.names(in: "out"), [])
    }
    let picture = try Data(contentsOf: URL(fileURLWithPath: scratch.file("in/a.png")))
    let over = try Program.run(
      ["compare", scratch.file("in"), scratch.file("in"), "-o", scratch.file("in/a.png")])
    XCTAssertEqual(over.faults.count, 1, over.errors)
    XCTAssertEqual(
      try Data(contentsOf: URL(fileURLWithPath: scratch.file("in/a.png"))), picture)
    let full = try Program.run(
      ["compare", scratch.file("in"), scratch.file("in"), "-o", page], limit: "-f 0")
    XCTAssertEqual(full.faults.count, 1, full.errors)
    XCTAssertEqual(scratch.names(in: "out"), [])
    let weights = try scratch.weights()
    let restore = try Program.run([
      "restore", scratch.file("in"), "-o", scratch.file("out"), "-m", weights, "-d", "cpu",
      "--report", scratch.file("no folder/page.html"),
    ])
    XCTAssertEqual(restore.status, 1, restore.errors)
    XCTAssertTrue(restore.errors.contains("no folder/page.html: cannot create"), restore.errors)
    XCTAssertEqual(scratch.names(in: "out"), [], "restored before the fault was found")
  }
}
