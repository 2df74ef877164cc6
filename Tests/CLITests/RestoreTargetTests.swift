import Foundation
import Restormer
import TestSupport
import XCTest

/// What `-o` means, and which file gets which name.
final class RestoreTargetTests: XCTestCase {
  private var scratch: Scratch!
  private var model: [String] = []

  override func setUpWithError() throws {
    scratch = try Scratch()
    model = ["-m", try scratch.weights(zero: true), "-d", "cpu"]
  }

  override func tearDown() { scratch = nil }

  private func restore(_ arguments: [String], input: String? = nil) throws -> Program {
    try Program.run(["restore"] + arguments + model, input: input)
  }

  func testNamesOfImagesThatCannotBeWrittenAreRefused() throws {
    let input = try scratch.picture("a.png", 16, 16)
    for options in [
      ["out.jxl"], ["out.GIF"], ["new/out.heic"], ["x.png", "-f", "jpeg"], ["x.jpg", "-f", "png"],
    ] {
      let run = try restore([input, "-o", scratch.file(options[0])] + options.dropFirst())
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 1, run.errors)
    }
    XCTAssertEqual(scratch.names(in: ""), ["a.png", "weights.safetensors"])
    XCTAssertEqual(try restore([input, "-o", scratch.file("out.jxl/")]).status, 0)
    XCTAssertEqual(scratch.names(in: "out.jxl"), ["a.png"])
  }

  func testOnlyAResultTakesAName() throws {
    let good = try scratch.picture("b/IMG_1.png", 16, 16)
    let bad = try scratch.bytes("IMG_1.heic", Data("....ftypheic".utf8))
    let run = try restore([bad, good, "-o", scratch.file("out")])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertEqual(scratch.names(in: "out"), ["IMG_1.png"])
    let twin = try scratch.picture("c/IMG_1.jpg", 16, 16)
    let both = try restore([good, twin, "-o", scratch.file("two")])
    XCTAssertEqual(both.faults.count, 1, both.errors)
    XCTAssertTrue(both.fault.contains("would replace that of \(good)"), both.errors)
  }

  func testTwoSpellingsAreOneInput() throws {
    let input = try scratch.picture("a.png", 16, 16)
    let other = scratch.path + "/./a.png"
    let run = try restore([input, other, scratch.path, "-o", scratch.file("out")])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertEqual(run.errors.components(separatedBy: " -> ").count, 2, run.errors)
    XCTAssertEqual(try restore([input, other, "-o", scratch.file("one.png")]).status, 0)
  }

  /// A result must not replace an image that is still to be read.
  func testAnInputIsNotReplacedByAnother() throws {
    try scratch.picture("in/a.jpg", 16, 16)
    let png = try scratch.picture("in/a.png", 20, 16)
    let run = try restore([scratch.file("in"), "-o", scratch.file("in"), "--overwrite"])
    XCTAssertEqual(run.faults.count, 1, run.errors)
    XCTAssertTrue(run.fault.contains("would replace \(png)"), run.errors)
    XCTAssertEqual(try Image(contentsOf: png).width, 20)
  }

  func testABatchGoesOnWhereItStood() throws {
    for name in ["a", "b"] { try scratch.picture("in/\(name).png", 16, 16) }
    let arguments = [scratch.file("in"), "-o", scratch.file("out")]
    XCTAssertEqual(try restore(arguments).status, 0)
    try scratch.picture("in/c.png", 16, 16)
    let again = try restore(arguments)
    XCTAssertEqual(again.status, 0, again.errors)
    XCTAssertEqual(again.errors.components(separatedBy: " -> ").count, 2, again.errors)
    XCTAssertTrue(again.errors.contains("2 results exist and were left as they are"), again.errors)
    let named = [scratch.file("in/a.png"), "-o", scratch.file("out/a.png")]
    XCTAssertEqual(try restore(named).status, 1)
    XCTAssertEqual(try restore(named + ["--skip-existing"]).status, 0)
  }

  func testFoldersInsideFolders() throws {
    try scratch.picture("in/a.png", 16, 16)
    try scratch.picture("in/deep/er/b.png", 16, 16)
    XCTAssertEqual(symlink("..", scratch.file("in/deep/loop")), 0)
    let flat = try restore([scratch.file("in"), "-o", scratch.file("flat")])
    XCTAssertTrue(flat.errors.contains("1 folder inside was not gone into"), flat.errors)
    XCTAssertEqual(scratch.names(in: "flat"), ["a.png"])
    // The folder of the results lies in that of the images: it is no source of images.
    for _ in 0..<2 {
      let run = try restore([scratch.file("in"), "-r", "-o", scratch.file("in/out")])
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertEqual(scratch.names(in: "in/out"), ["a.png", "deep"])
      XCTAssertEqual(scratch.names(in: "in/out/deep"), ["er"])
      XCTAssertEqual(scratch.names(in: "in/out/deep/er"), ["b.png"])
    }
  }

  /// Such as `lost+found` of a disk: it is named, and the images around it are restored.
  func testAFolderInsideThatCannotBeReadStopsNoOther() throws {
    try scratch.picture("in/a.png", 16, 16)
    try scratch.picture("in/closed/b.png", 16, 16)
    try scratch.picture("in/open/c.png", 16, 16)
    let closed = scratch.file("in/closed")
    XCTAssertEqual(chmod(closed, 0), 0)
    defer { chmod(closed, 0o755) }
    // An administrator may read what is closed to all others.
    let run = try Program.run(
      [
        "restore", scratch.file("in"), "-r", "-o", scratch.file("out"), "-d", "cpu", "-m",
        try scratch.weights(),
      ], launcher: geteuid() == 0 ? ["setpriv", "--bounding-set=-all"] : [])
    XCTAssertEqual(run.status, 1, run.errors)
    XCTAssertEqual(
      run.faults, ["error: \(closed): the folder cannot be read: Permission denied"])
    XCTAssertEqual(scratch.names(in: "out"), ["a.png", "open"])
  }

  func testStandardInputAndOutput() throws {
    let input = try scratch.picture("a.png", 16, 20)
    let piped = try restore(["-", "-o", "-", "-f", "png", "-q"], input: input)
    XCTAssertEqual(piped.status, 0, piped.errors)
    XCTAssertEqual(piped.errors, "")
    let image = try piped.bytes.withUnsafeBytes { try Image(bytes: $0) }
    XCTAssertEqual(image.height, 20)
    XCTAssertEqual(try restore(["-", "-o", scratch.file("out")], input: input).status, 0)
    XCTAssertEqual(scratch.names(in: "out"), ["stdin.png"])
    let empty = try restore(["-", "-o", "-"])
    XCTAssertEqual(empty.faults, ["error: standard input: the file is empty"])
    XCTAssertEqual(empty.bytes, [])
  }

  /// A page that is left as it is keeps every byte, as long as the format is the same.
  func testWhatIsLeftAsItIsKeepsItsBytes() throws {
    let page = Examples.path("page-sharp.png")
    let run = try Program.run([
      "restore", page, "-o", scratch.file("out"), "-m", "document-deblurring", "-d", "cpu",
      "--json",
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.output.contains("\"status\" : \"kept\""), run.output)
    XCTAssertEqual(
      try Data(contentsOf: URL(fileURLWithPath: scratch.file("out/page-sharp.png"))),
      try Data(contentsOf: URL(fileURLWithPath: page)))
  }
}
