import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer degrade` from outside, with scripts in place of poppler's programs.
final class DegradeTests: XCTestCase {
  /// The environment with scripts for `pdfinfo` and `pdftoppm`: every PDF has 10 pages, and page 3
  /// of one named `torn.pdf` cannot be rendered.
  private func poppler(_ scratch: Scratch) throws -> [String: String] {
    for folder in ["bin", "tmp"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file(folder), withIntermediateDirectories: true)
    }
    let page = try scratch.picture("rendered.png", 50, 40)
    for (name, script) in [
      ("pdfinfo", "echo 'Title: Pages: 3'; echo 'Pages:          10'"),
      (
        "pdftoppm",
        """
        echo "$*" >> "\(scratch.path)/calls"
        case "$*" in *" -l 3 "*torn.pdf*) echo 'Syntax Error: torn' >&2; exit 1;; esac
        cp "\(page)" "${@: -1}.png"
        """
      ),
    ] {
      let file = try scratch.bytes("bin/" + name, Data("#!/bin/bash\n\(script)\n".utf8))
      chmod(file, 0o755)
    }
    return ["PATH": scratch.file("bin") + ":/usr/bin:/bin", "TMPDIR": scratch.file("tmp")]
  }

  func testPagesAndPicturesBecomePairs() throws {
    let scratch = try Scratch()
    let environment = try poppler(scratch)
    try scratch.picture("in/photo.jpg", 64, 48)
    try scratch.picture("in/gray.png", 30, 30, channels: 1)
    _ = try scratch.bytes("in/-r.pdf", Data("%PDF-1.4".utf8))
    let degrade = ["degrade", scratch.file("in"), "-c", "2", "--dpi", "75", "-o"]
    for folder in ["a", "b"] {
      let run = try Program.run(degrade + [scratch.file(folder)], environment: environment)
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains("24 pairs"), run.errors)
    }
    let names = scratch.names(in: "a/input")
    XCTAssertEqual(names, scratch.names(in: "a/target"))
    XCTAssertEqual(names.count, 24)
    XCTAssertTrue(Set(["-r-p01-v1.png", "-r-p10-v2.png", "photo-v2.png"]).isSubset(of: names))
    for file in names.flatMap({ ["input/\($0)", "target/\($0)"] }) + ["manifest.json"] {
      XCTAssertEqual(
        FileManager.default.contents(atPath: scratch.file("a/\(file)")),
        FileManager.default.contents(atPath: scratch.file("b/\(file)")), file)
    }
    XCTAssertEqual(try Image.header(of: scratch.file("a/input/gray-v1.png")).channels, 1)
    XCTAssertEqual(try Image.header(of: scratch.file("a/target/-r-p07-v1.png")).width, 50)
    let calls = try String(contentsOfFile: scratch.file("calls"), encoding: .utf8)
    XCTAssertTrue(
      calls.contains("-png -singlefile -r 75 -f 7 -l 7 \(scratch.file("in/-r.pdf")) "), calls)
    XCTAssertEqual(scratch.names(in: "tmp"), [])
    let data = try Data(contentsOf: URL(fileURLWithPath: scratch.file("a/manifest.json")))
    let record = try JSONSerialization.jsonObject(with: data) as? [[String: Any]]
    XCTAssertEqual(record?.compactMap { $0["file"] as? String }, names)
    XCTAssertEqual(record?.compactMap { $0["page"] as? Int }.max(), 10)
    // What was made can be scored and trained on.
    let score = try Program.run(["evaluate", scratch.file("a/input"), scratch.file("a/target")])
    XCTAssertEqual(score.status, 0, score.errors)
    let train = try Program.run([
      "train", "--data", scratch.file("a"), "--preset", "tiny", "--steps", "1", "--batch", "1",
      "--patch", "16", "--experiments", scratch.file("experiments"), "-d", "cpu",
    ])
    XCTAssertEqual(train.status, 0, train.errors)
  }

  func testBadFilesDoNotStopTheOthers() throws {
    let scratch = try Scratch()
    let environment = try poppler(scratch)
    let good = try scratch.picture("good.png", 40, 30)
    let inputs = [
      good, scratch.file("missing"), try scratch.bytes("text.png", Data("no picture".utf8)),
      try scratch.bytes("text.pdf", Data("no PDF".utf8)),
      try scratch.bytes("torn.pdf", Data("%PDF-1.4".utf8)), try scratch.picture("x/good.png", 9, 9),
    ]
    let run = try Program.run(
      ["degrade", "-o", scratch.file("out")] + inputs, environment: environment)
    XCTAssertEqual(run.status, 1)
    XCTAssertTrue(run.errors.contains("5 of 15 failed"), run.errors)
    XCTAssertEqual(run.faults.count, 5, run.errors)
    for part in [
      "missing: no such file", "text.png: not an image", "text.pdf: not a PDF",
      "Syntax Error: torn",
      "torn.pdf, page 3", "replace those of \(good)",
    ] { XCTAssertTrue(run.errors.contains(part), "\(part) in \(run.errors)") }
    XCTAssertEqual(scratch.names(in: "out/input").count, 10)
    XCTAssertEqual(scratch.names(in: "out/input"), scratch.names(in: "out/target"))
  }

  /// One line, an exit code, and nothing in the output's place.
  func testFaultsLeaveNothing() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(
      atPath: scratch.file("empty"), withIntermediateDirectories: true)
    let page = try scratch.picture("a.png", 40, 30)
    let pdf = try scratch.bytes("a.pdf", Data("%PDF-1.4".utf8))
    let nothing = ["PATH": scratch.file("empty")]
    for (arguments, parts) in [
      ([scratch.file("empty")], ["empty", "no PNG, JPEG, TIFF, WebP, BMP or PDF"]),
      ([pdf], ["pdftoppm: not installed", "poppler-utils"]),
      ([try scratch.bytes("b.pdf", Data("text".utf8))], ["b.pdf", "not a PDF file"]),
      ([try scratch.bytes("b.png", Data())], ["b.png", "empty"]),
      ([page, "-r", "fog"], ["'fog'", "document or none"]),
      ([page, "-r", "none jpeg=0-200"], ["jpeg", "1 to 100"]),
    ] {
      let run = try Program.run(
        ["degrade", "-o", scratch.file("out")] + arguments, environment: nothing)
      XCTAssertEqual(run.status, 1, run.errors)
      XCTAssertEqual(run.faults.count, 1, run.errors)
      for part in parts { XCTAssertTrue(run.errors.contains(part), run.errors) }
      XCTAssertEqual(scratch.names(in: "out"), [], "\(arguments)")
    }
    for options in [["-c", "0"], ["--crop", "7"], ["--dpi", "5"], ["--seed", "-1"]] {
      XCTAssertEqual(
        try Program.run(["degrade", page, "-o", scratch.file("out")] + options).status, 64)
    }
    let full = try Program.run(["degrade", page, "-o", scratch.file("out")], limit: "-f 0")
    XCTAssertEqual(full.faults.count, 1, full.errors)
    XCTAssertEqual(scratch.names(in: "out"), [])
  }

  func testPairsAreReplacedOnlyOnRequest() throws {
    let scratch = try Scratch()
    let page = try scratch.picture("a.png", 40, 30)
    let degrade = ["degrade", page, "-o", scratch.file("out")]
    XCTAssertEqual(try Program.run(degrade).status, 0)
    let first = FileManager.default.contents(atPath: scratch.file("out/input/a.png"))
    let refused = try Program.run(degrade + ["--seed", "5"])
    XCTAssertEqual(refused.status, 1)
    XCTAssertTrue(refused.errors.contains("--overwrite"), refused.errors)
    XCTAssertEqual(FileManager.default.contents(atPath: scratch.file("out/input/a.png")), first)
    XCTAssertEqual(try Program.run(degrade + ["--seed", "5", "--overwrite"]).status, 0)
    XCTAssertNotEqual(FileManager.default.contents(atPath: scratch.file("out/input/a.png")), first)
    // The clean images themselves are never written over.
    let own = try Program.run([
      "degrade", scratch.file("out/target/a.png"), "-o", scratch.file("out"), "--overwrite",
    ])
    XCTAssertTrue(own.errors.contains("replace the page itself"), own.errors)
    _ = try scratch.bytes("out/manifest.json", Data("mine".utf8))
    let foreign = try Program.run(degrade + ["--overwrite"])
    XCTAssertEqual(foreign.status, 1)
    XCTAssertTrue(foreign.errors.contains("manifest.json"), foreign.errors)
  }

  /// Killed, started again, killed: in the end everything is there once, as if nothing had
  /// happened.
  func testAKilledBatchGoesOn() throws {
    let scratch = try Scratch()
    let page = try scratch.picture("page.png", 300, 200)
    let other = try scratch.picture("other.png", 90, 80)
    func degrade(_ folder: String, _ more: [String] = []) -> [String] {
      ["degrade", page, other, "-o", scratch.file(folder), "-c", "60", "--crop", "64"] + more
    }
    XCTAssertEqual(try Program.run(degrade("whole")).status, 0)
    for count in [7, 30] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: try Program.path())
      process.arguments = degrade("killed")
      process.standardError = FileHandle.nullDevice
      try process.run()
      while process.isRunning, scratch.names(in: "killed/input").count < count { usleep(500) }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    for left in ["input/.x.png.tmp-1-0", "target/.x.png.tmp-1-0", ".manifest.json.tmp-1-0"] {
      _ = try scratch.bytes("killed/\(left)", Data("half".utf8))
    }
    let last = try Program.run(degrade("killed"))
    XCTAssertEqual(last.status, 0, last.errors)
    try expectSame("killed", "whole", in: scratch)

    // A file that is not whole is made again, another seed is refused by name.
    let input = scratch.file("killed/input/page-v07.png")
    XCTAssertEqual(truncate(input, 200), 0)
    let mended = try Program.run(degrade("killed"))
    XCTAssertTrue(mended.errors.contains("120 pairs, 119 there before"), mended.errors)
    try expectSame("killed", "whole", in: scratch)
    let refused = try Program.run(degrade("killed", ["--seed", "5"]))
    XCTAssertEqual(refused.status, 1)
    XCTAssertEqual(refused.faults.count, 2, refused.errors)
    XCTAssertTrue(refused.errors.contains("page-v01.png exists, of another seed"), refused.errors)
    try expectSame("killed", "whole", in: scratch)
  }

  private func expectSame(_ a: String, _ b: String, in scratch: Scratch) throws {
    XCTAssertEqual(scratch.names(in: a), scratch.names(in: b))
    let names = scratch.names(in: "\(b)/input")
    XCTAssertEqual(scratch.names(in: "\(a)/input"), names)
    XCTAssertEqual(scratch.names(in: "\(a)/target"), names)
    for file in names.flatMap({ ["input/\($0)", "target/\($0)"] }) + ["manifest.json"] {
      XCTAssertEqual(
        FileManager.default.contents(atPath: scratch.file("\(a)/\(file)")),
        FileManager.default.contents(atPath: scratch.file("\(b)/\(file)")), file)
    }
  }

  /// A request to stop is heard between the pairs of one page, and the command goes on afterwards.
  func testAnInterruptedBatchGoesOn() throws {
    let scratch = try Scratch()
    let page = try scratch.picture("page.png", 300, 200)
    let degrade = ["degrade", page, "-o", scratch.file("out"), "-c", "400", "--crop", "96"]
    let first = try Program.run(degrade) { process in
      while process.isRunning, scratch.names(in: "out/input").count < 3 { usleep(500) }
      process.interrupt()
    }
    XCTAssertEqual(first.status, 130, first.errors)
    XCTAssertTrue(first.errors.contains("goes on from here"), first.errors)
    let made = scratch.names(in: "out/input").count
    XCTAssertLessThan(made, 400)
    XCTAssertEqual(scratch.names(in: "out/target").count, made)
    let second = try Program.run(degrade)
    XCTAssertEqual(second.status, 0, second.errors)
    XCTAssertTrue(second.errors.contains("400 pairs, \(made) there before"), second.errors)
  }
}
