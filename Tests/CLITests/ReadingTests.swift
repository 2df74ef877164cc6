import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer evaluate --ocr` with a script in tesseract's place that knows a few pictures.
final class ReadingTests: XCTestCase {
  /// Pictures, each with the text that the script reads in it.
  private func pictures(_ scratch: Scratch) throws -> [String: String] {
    let texts = [
      "target/a": "the quick brown", "image/a": "the quick brawn", "input/a": "tbe qnick",
      "target/b": "fox", "image/b": "fox", "input/b": "",
    ]
    for (index, name) in texts.keys.sorted().enumerated() {
      let picture = try scratch.picture("\(name).png", 40, 30)
      var image = try Image(contentsOf: picture)
      image.pixels[0] = Float(index) / 255
      try image.write(to: picture, format: .png)
      try FileManager.default.copyItem(
        atPath: picture, toPath: scratch.file("\(index).png"))
      _ = try scratch.bytes("\(index).txt", Data((texts[name] ?? "").utf8))
    }
    return try fakeTesseract(
      """
      for known in "\(scratch.path)"/*.png; do
        cmp -s "$1" "$known" && exec cat "${known%.png}.txt"
      done
      echo "Error: unknown picture" >&2
      exit 1
      """, scratch)
  }

  /// The environment in which the script is tesseract.
  private func fakeTesseract(_ script: String, _ scratch: Scratch) throws -> [String: String] {
    for folder in ["bin", "tmp"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file(folder), withIntermediateDirectories: true)
    }
    let file = try scratch.bytes("bin/tesseract", Data("#!/bin/bash\n\(script)\n".utf8))
    chmod(file, 0o755)
    return ["PATH": scratch.file("bin") + ":/usr/bin:/bin", "TMPDIR": scratch.file("tmp")]
  }

  private func evaluate(
    _ scratch: Scratch, _ options: [String], _ environment: [String: String]
  ) throws -> Program {
    try Program.run(
      ["evaluate", scratch.file("image"), scratch.file("target"), "--ocr"] + options,
      environment: environment)
  }

  func testRatesStandBesideTheScores() throws {
    let scratch = try Scratch()
    let environment = try pictures(scratch)
    let run = try evaluate(scratch, ["--format", "json"], environment)
    XCTAssertEqual(run.status, 0, run.errors)
    let rows = try XCTUnwrap(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
    XCTAssertEqual(rows.map { $0["file"] as? String }, ["a.png", "b.png", "mean"])
    let rates = rows.map { row in ["cer", "wer"].map { row[$0] as? Double ?? -1 } }
    // The last row: 1 error in 18 characters, 1 in 4 words.
    for (found, expected) in zip(rates.joined(), [1.0 / 15, 1.0 / 3, 0, 0, 1.0 / 18, 0.25]) {
      XCTAssertEqual(found, expected, accuracy: 1e-12)
    }
    XCTAssertGreaterThan(rows[0]["psnr"] as? Double ?? 0, 40)
    XCTAssertNil(rows[0]["cer_input"])
    XCTAssertEqual(scratch.names(in: "tmp"), [])
  }

  func testTheInputsAreReadToo() throws {
    let scratch = try Scratch()
    let environment = try pictures(scratch)
    let inputs = ["--inputs", scratch.file("input")]
    let csv = try evaluate(scratch, inputs + ["--format", "csv"], environment).output
    let lines: [[String]] = csv.split(separator: "\n").map {
      $0.split(separator: ",").map(String.init)
    }
    XCTAssertEqual(lines[0].suffix(4), ["cer", "wer", "cer_input", "wer_input"])
    // 'tbe qnick' lacks 6 characters and has 2 wrong; nothing is read of 'fox'.
    let expected: [[Double]] = [[8.0 / 15, 1], [1, 1], [11.0 / 18, 1]]
    XCTAssertEqual(lines.count, 4)
    for (line, rates) in zip(lines.dropFirst(), expected) {
      let found = line.suffix(2).compactMap(Double.init)
      XCTAssertEqual(found.count, 2)
      for (a, b) in zip(found, rates) { XCTAssertEqual(a, b, accuracy: 1e-12) }
    }
    let table = try evaluate(scratch, inputs, environment).output
    XCTAssertTrue(table.contains("0.0556  0.2500     0.6111     1.0000"), table)
  }

  /// A network that changes nothing: the inputs are the images, and what is read is what was
  /// restored.
  func testRestoredImagesAreReadBesideTheirInputs() throws {
    let scratch = try Scratch()
    let environment = try pictures(scratch)
    let run = try evaluate(
      scratch, ["-m", try scratch.weights(zero: true), "-d", "cpu", "--format", "csv"], environment)
    XCTAssertEqual(run.status, 0, run.errors)
    let mean = run.output.split(separator: "\n").last?.split(separator: ",").suffix(4) ?? []
    XCTAssertEqual(mean.count, 4)
    XCTAssertEqual(Array(mean.prefix(2)), Array(mean.suffix(2)))
    XCTAssertEqual(try XCTUnwrap(mean.last.flatMap { Double($0) }), 0.25)
  }

  func testFaultsAreOneLine() throws {
    let scratch = try Scratch()
    let good = try pictures(scratch)
    let empty = good.merging(["PATH": scratch.file("tmp")]) { $1 }
    var run = try evaluate(scratch, [], empty)
    XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
    for part in ["tesseract: not installed", "tesseract-ocr"] {
      XCTAssertTrue(run.errors.contains(part), run.errors)
    }
    let failing = try fakeTesseract("echo 'Error opening data file' >&2; exit 1", scratch)
    run = try evaluate(scratch, [], failing)
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.output, "")
    XCTAssertEqual(run.errors.split(separator: "\n").count, 1, run.errors)
    for part in ["image/a.png", "Error opening data file"] {
      XCTAssertTrue(run.errors.contains(part), run.errors)
    }
    XCTAssertEqual(scratch.names(in: "tmp"), [])
    let lonely = try evaluate(scratch, ["--inputs", scratch.file("bin")], good)
    XCTAssertEqual(lonely.faults.count, 1, lonely.errors)
    for options in [["--ocr-layout", "14"], ["-m", "x", "--inputs", "y"]] {
      XCTAssertEqual(try evaluate(scratch, options, good).status, 64, "\(options)")
    }
    let without = try Program.run(["evaluate", "a", "b", "--inputs", "c"])
    XCTAssertEqual(without.status, 64, without.errors)
  }
}
