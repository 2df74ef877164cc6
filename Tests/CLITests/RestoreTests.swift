import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer restore` with good files: what comes out, and where.
final class RestoreTests: XCTestCase {
  /// The official demo's tiles (golden case 08), on every device.
  func testTilesAgreeWithTheOfficialDemo() throws {
    let scratch = try Scratch()
    let input = try Golden.file("08_tiled", "input.png").path
    let weights = try Golden.file("08_tiled", "weights.safetensors").path
    for device in ["cpu", "0"] {
      for (tile, file) in [("32", "tiled_output.png"), ("0", "whole_output.png")] {
        let output = scratch.file("\(device)-\(tile).png")
        let run = try Program.run([
          "restore", input, "-o", output, "-m", weights, "-d", device, "-t", tile,
          "--overlap", "8", "--blend", "box",
        ])
        XCTAssertEqual(run.status, 0, run.errors)
        let expected = try Golden.file("08_tiled", file).path
        XCTAssertLessThanOrEqual(try difference(output, expected), 1.01, "\(device), \(file)")
      }
    }
  }

  /// A network that adds nothing: every kind of picture comes back as it was.
  func testEveryKindOfPictureKeepsItsForm() throws {
    let scratch = try Scratch()
    let weights = try scratch.weights(zero: true)
    try scratch.picture("in/a.png", 37, 21)
    try scratch.picture("in/b16.png", 20, 33, bitDepth: 16)
    try scratch.picture("in/c-alpha.png", 24, 9, alpha: true)
    try scratch.picture("in/d-gray.png", 15, 40, channels: 1)
    try scratch.picture("in/e.jpg", 33, 17)
    try scratch.picture("in/f-one.png", 1, 1)
    try scratch.picture("in/g-line.png", 3, 1200)
    let run = try Program.run(
      ["restore", scratch.file("in"), "-o", scratch.file("out"), "-m", weights, "-d", "cpu"])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertEqual(
      scratch.names(in: "out"),
      [
        "a.png", "b16.png", "c-alpha.png", "d-gray.png", "e.png", "f-one.png", "g-line.png",
      ])
    for name in scratch.names(in: "in") {
      let result = (name as NSString).deletingPathExtension + ".png"
      let before = try Image(contentsOf: scratch.file("in/" + name))
      let after = try Image(contentsOf: scratch.file("out/" + result))
      XCTAssertLessThan(
        try difference(scratch.file("in/" + name), scratch.file("out/" + result)), 0.01, name)
      XCTAssertEqual(after.bitDepth, before.bitDepth, name)
      XCTAssertEqual(after.alpha, before.alpha, name)
    }
  }

  /// Beside the network's memory a picture takes its own bytes and those of its result: no floats
  /// while the network runs, no second copy of the weights, no driver that was not asked for.
  func testMemoryBesideTheNetworks() throws {
    let scratch = try Scratch()
    let run = try Program.run([
      "restore", try scratch.picture("a.png", 1400, 1000), "-o", scratch.file("b.png"),
      "-m", try scratch.weights(), "-d", "cpu", "-v",
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    func megabytes(_ pattern: Regex<(Substring, Substring)>) throws -> Int {
      try XCTUnwrap(
        run.errors.firstMatch(of: pattern).flatMap { Int($0.1) }, run.errors)
    }
    let planned = try megabytes(/(\d+) MB of device memory/)
    let taken = try megabytes(/this process took (\d+) MB at most/)
    XCTAssertLessThan(taken - planned, 70, run.errors)
  }

  /// Data in [-1, 1], as the file's metadata say: the dark half must come back.
  func testADeclaredNormalisationIsUndone() throws {
    let scratch = try Scratch()
    let weights = try scratch.weights(zero: true, normalization: .symmetric)
    let input = try scratch.picture("a.png", 24, 24)
    try Program.run(["restore", input, "-o", scratch.file("b.png"), "-m", weights, "-d", "cpu"])
    XCTAssertLessThan(try difference(input, scratch.file("b.png")), 0.01)
  }

  func testTilesAndDevicesAgree() throws {
    let scratch = try Scratch()
    let weights = try scratch.weights(zero: true)
    let input = try scratch.picture("a.png", 150, 90)
    for options in [
      ["-d", "cpu"], ["-t", "0"], ["-t", "64"], ["-t", "64", "--blend", "box", "-d", "cpu"],
      ["-t", "auto", "-x"], ["-t", "64", "-x", "-d", "cpu"], ["-v"], ["--profile"],
    ] {
      let output = scratch.file("out.png")
      let run = try Program.run(
        ["restore", input, "-o", output, "-m", weights, "--overwrite"] + options)
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.hasPrefix("device: "), run.errors)
      XCTAssertLessThan(try difference(input, output), 0.01, "\(options)")
      if options == ["-v"] { XCTAssertTrue(run.errors.contains("device memory"), run.errors) }
      if options == ["--profile"], (try? Device.shared()) != nil {
        XCTAssertTrue(run.output.contains("on the device"), run.output)
      }
    }
  }

  func testTheEnvironmentChoosesTheDevice() throws {
    let scratch = try Scratch()
    let arguments = [
      "restore", try scratch.picture("a.png", 16, 16), "-o", scratch.file("b.png"), "-m",
      try scratch.weights(), "--overwrite",
    ]
    let chosen = try Program.run(arguments, environment: ["RESTORMER_DEVICE": "cpu"])
    XCTAssertTrue(chosen.errors.contains("device: CPU backend"), chosen.errors)
    let wrong = ["RESTORMER_DEVICE": "no such device"]
    XCTAssertEqual(try Program.run(arguments, environment: wrong).status, 1)
    XCTAssertEqual(try Program.run(arguments + ["-d", "cpu"], environment: wrong).status, 0)
  }

  func testOfTwoSetsOfWeightsTheKeyChooses() throws {
    let scratch = try Scratch()
    let state = ModelWeights(model: RestormerModel(.tiny)).state
    let both = ["params.", "params_ema."].flatMap { prefix in
      state.tensors.map {
        NamedTensor(name: prefix + $0.name, shape: $0.shape, values: $0.values)
      }
    }
    let file = scratch.file("both.safetensors")
    try StateDict(tensors: both).writeSafetensors(to: file)
    let restore = [
      "restore", try scratch.picture("a.png", 16, 16), "-o", scratch.file("b.png"), "-m", file,
      "-d",
      "cpu", "--overwrite",
    ]
    for (options, taken) in [([], "params"), (["--param-key", "params_ema"], "params_ema")] {
      let run = try Program.run(restore + options)
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains("(params, params_ema): \(taken) taken"), run.errors)
    }
    let wrong = try Program.run(restore + ["--param-key", "params_best"])
    XCTAssertEqual(wrong.status, 1)
    XCTAssertEqual(wrong.faults.count, 1, wrong.errors)
  }

  func testTheBundledModelHasNothingToAverage() throws {
    let scratch = try Scratch()
    let run = try Program.run([
      "restore", try scratch.picture("a.png", 24, 24), "-o", scratch.file("b.png"), "-x", "-d",
      "cpu",
    ])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.errors.contains("nothing to average"), run.errors)
  }

  func testFormatsAndNames() throws {
    let scratch = try Scratch()
    let weights = try scratch.weights(zero: true)
    let input = try scratch.picture("a.png", 24, 16, alpha: true)
    let restore = ["restore", input, "-m", weights, "-d", "cpu"]
    XCTAssertEqual(
      try Program.run(restore + ["-o", scratch.file("out"), "-f", "jpeg"]).status, 0)
    XCTAssertEqual(try Program.run(restore + ["-o", scratch.file("new/deep/b.jpg")]).status, 0)
    XCTAssertEqual(scratch.names(in: "out"), ["a.jpg"])
    for name in ["out/a.jpg", "new/deep/b.jpg"] {
      XCTAssertEqual(try Image.header(of: scratch.file(name)).format, .jpeg)
    }
  }

  func testResultsAreReplacedOnlyOnRequest() throws {
    let scratch = try Scratch()
    let arguments = [
      "restore", try scratch.picture("a.png", 16, 16), "-o", scratch.file("b.png"), "-m",
      try scratch.weights(), "-d", "cpu",
    ]
    try Data("mine".utf8).write(to: URL(fileURLWithPath: scratch.file("b.png")))
    let refused = try Program.run(arguments)
    XCTAssertEqual(refused.status, 1)
    XCTAssertEqual(refused.faults.count, 1)
    XCTAssertEqual(try String(contentsOfFile: scratch.file("b.png"), encoding: .utf8), "mine")
    XCTAssertEqual(try Program.run(arguments + ["--overwrite"]).status, 0)
    XCTAssertEqual(try Image(contentsOf: scratch.file("b.png")).width, 16)
  }
}
