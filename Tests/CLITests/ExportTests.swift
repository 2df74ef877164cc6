import Foundation
import Restormer
import TestSupport
import XCTest

/// `restormer export` writes what other programs, and this one, read.
final class ExportTests: XCTestCase {
  func testWeightsComeBackFromEveryForm() throws {
    let scratch = try Scratch()
    let source = try scratch.weights(normalization: .none)
    let values = try ModelWeights(contentsOf: source).values
    for (name, type, precision) in [
      ("a.pth", "f32", 0), ("b.safetensors", "f32", 0), ("c.pth", "f16", 1 / 1024),
      ("d.safetensors", "bf16", 1 / 128), ("e.pth", "bf16", 1 / 128),
      ("f.safetensors", "f16", 1 / 1024),
    ] as [(String, String, Float)] {
      let file = scratch.file(name)
      let run = try Program.run(["export", source, "-o", file, "--type", type])
      XCTAssertEqual(run.status, 0, run.errors)
      let copy = try ModelWeights(contentsOf: file)
      XCTAssertEqual(
        copy.model.configuration, try ModelWeights(contentsOf: source).model.configuration)
      for (found, value) in zip(copy.values, values) {
        XCTAssertEqual(found, value, accuracy: max(1e-4, abs(value)) * precision)
      }
      XCTAssertEqual(
        try StateDict(contentsOf: file).format.contains("(params)"), name.hasSuffix("pth"))
    }
  }

  /// Other programs check the numbers; here that the network and every parameter are in the file,
  /// or beside it.
  func testNetworksHoldTheirParameters() throws {
    let scratch = try Scratch()
    let source = try scratch.weights()
    let state = try ModelWeights(contentsOf: source).state
    let whole = scratch.file("whole.onnx")
    XCTAssertEqual(try Program.run(["export", source, "-o", whole]).status, 0)
    let light = scratch.file("light.onnx")
    XCTAssertEqual(try Program.run(["export", source, "-o", light, "--beside"]).status, 0)
    let (bytes, few, beside) = (
      try Data(contentsOf: URL(fileURLWithPath: whole)),
      try Data(contentsOf: URL(fileURLWithPath: light)),
      try Data(contentsOf: URL(fileURLWithPath: light + ".data"))
    )
    for tensor in state.tensors {
      let raw = tensor.values.withUnsafeBytes { Data($0) }
      XCTAssertNotNil(bytes.range(of: Data(tensor.name.utf8)), tensor.name)
      XCTAssertNotNil(bytes.range(of: raw), tensor.name)
      XCTAssertNotNil(beside.range(of: raw), tensor.name)
    }
    XCTAssertLessThan(few.count, bytes.count / 2)
    XCTAssertNotNil(few.range(of: Data("light.onnx.data".utf8)))
  }

  /// Fields as onnx.proto numbers them and protocol buffers encode them; zeros are written, too.
  func testNetworksHaveTheDocumentedBytes() throws {
    let scratch = try Scratch()
    let (whole, light) = (scratch.file("whole.onnx"), scratch.file("light.onnx"))
    let source = try scratch.weights()
    XCTAssertEqual(try Program.run(["export", source, "-o", whole]).status, 0)
    XCTAssertEqual(try Program.run(["export", source, "-o", light, "--beside"]).status, 0)
    let extents = [
      Wire.text(2, "batch"), [0x08, 3], Wire.text(2, "height"), Wire.text(2, "width"),
    ].flatMap { Wire.message(1, $0) }
    let type = Wire.message(1, [0x08, 1], Wire.message(2, extents))
    let pads = Wire.text(1, "pads") + [0x40, 0, 0x40, 0, 0x40, 0, 0x40, 0]
    let result = Wire.text(2, "output") + Wire.text(3, "result") + Wire.text(4, "Identity")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: whole))
    XCTAssertTrue(bytes.starts(with: [0x08, 8] + Wire.text(2, "restormer")))
    for part in [
      result, Wire.message(8, Wire.text(1, ""), [0x10, 18]),
      Wire.message(11, Wire.text(1, "input"), Wire.message(2, type)),
      Wire.message(5, Wire.text(1, "axis"), [0x18, 1, 0xA0, 1, 2]),
      Wire.message(5, Wire.text(1, "mode"), Wire.text(4, "CRD"), [0xA0, 1, 3]),
      Wire.message(5, pads, [0xA0, 1, 7]),
    ] {
      XCTAssertNotNil(bytes.range(of: Data(part)), "\(part)")
    }
    let place = Wire.message(13, Wire.text(1, "location"), Wire.text(2, "light.onnx.data"))
    XCTAssertNotNil(try Data(contentsOf: URL(fileURLWithPath: light)).range(of: Data(place)))
  }

  func testWhatCannotBeWrittenIsSaid() throws {
    let scratch = try Scratch()
    let source = try scratch.weights()
    let kept = try scratch.bytes("kept.pth", Data("mine".utf8))
    for arguments in [
      ["-o", scratch.file("a.tflite")], ["-o", scratch.file("a.onnx"), "--type", "f16"],
      ["-o", scratch.file("a.pth"), "--beside"], ["-o", kept],
    ] {
      XCTAssertNotEqual(try Program.run(["export", source] + arguments).status, 0, "\(arguments)")
    }
    XCTAssertEqual(try String(contentsOfFile: kept, encoding: .utf8), "mine")
    XCTAssertEqual(try Program.run(["export", source, "-o", kept, "--overwrite"]).status, 0)
    XCTAssertNoThrow(try ModelWeights(contentsOf: kept))
  }
}
