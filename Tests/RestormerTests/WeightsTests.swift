import Foundation
import Restormer
import TestSupport
import XCTest

/// Weights files as users have them (golden case 06): good ones load to the recorded values, bad
/// ones are refused in one line and never executed.
final class WeightsTests: XCTestCase {
  private static let name = "06_checkpoints"
  private static let marker = "/tmp/restormer_pickle_executed"

  override func setUp() { unlink(Self.marker) }

  override func tearDown() {
    XCTAssertFalse(FileManager.default.fileExists(atPath: Self.marker), "a pickle was executed")
  }

  /// The files of one section of the manifest that this copy of the case holds.
  private func files(_ section: String) throws -> [(path: String, entry: [String: Any])] {
    let manifest = try Golden.manifest(Self.name)
    let entries = try XCTUnwrap(manifest[section] as? [String: [String: Any]])
    let held = try entries.sorted { $0.key < $1.key }.filter { Golden.holds(Self.name, $0.key) }
      .map { (try Golden.file(Self.name, $0.key).path, $0.value) }
    XCTAssertGreaterThan(held.count, 2, "hardly a file of '\(section)' is here")
    return held
  }

  func testGoodFilesLoadToTheRecordedValues() throws {
    for (path, entry) in try files("good") {
      guard let name = entry["expected"] as? String else { continue }
      try compare(StateDict(contentsOf: path), name, path)
      if let average = entry["expected_ema"] as? String {
        try compare(StateDict(contentsOf: path, key: "params_ema"), average, path)
      }
      XCTAssertNoThrow(try ModelWeights(contentsOf: path))
    }
  }

  private func compare(_ found: StateDict, _ name: String, _ path: String) throws {
    let expected = try Golden.tensors(Self.name, name)
    XCTAssertEqual(found.tensors.count, expected.tensors.count, path)
    for tensor in expected.tensors {
      let same = try XCTUnwrap(found[tensor.name], "\(path): \(tensor.name)")
      XCTAssertEqual(same.shape, tensor.shape, path)
      XCTAssertEqual(
        same.values.map(\.bitPattern), tensor.values.map(\.bitPattern), "\(path): \(tensor.name)")
    }
  }

  /// Large tensors are written a stretch at a time, in every type.
  func testLargeTensorsAreWrittenWhole() throws {
    let path = NSTemporaryDirectory() + "large-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    let values = (0..<(1 << 20) + 77).map { Float($0 % 2048) }
    let tensor = NamedTensor(name: "w", shape: [values.count], values: values)
    let state = StateDict(tensors: [tensor], metadata: [:], format: "safetensors")
    for type in [ElementType.float32, .float16] {
      try state.writeSafetensors(to: path, as: type)
      XCTAssertEqual(try StateDict(contentsOf: path)["w"]?.values, values)
    }
  }

  func testFilesWithoutAModelAreToldApart() throws {
    let handmade = try Golden.tensors(Self.name, "handmade_ok.safetensors")
    XCTAssertEqual(handmade["a"]?.values, [0, 1, 2, 3])
    XCTAssertEqual(handmade["b"]?.values, [4, 5, 6, 7])
    XCTAssertThrowsError(try ModelWeights(handmade))
    guard Golden.holds(Self.name, "basicsr_training.state") else { return }
    let state = try Golden.file(Self.name, "basicsr_training.state").path
    XCTAssertThrowsError(try StateDict(contentsOf: state)) {
      XCTAssertTrue("\($0)".contains("optimizer"), "\($0)")
    }
  }

  func testBadFilesAreRefusedInOneLine() throws {
    for (path, entry) in try files("bad") where !path.hasSuffix("extra_key.pth") {
      XCTAssertThrowsError(try ModelWeights(contentsOf: path), "\(path): \(entry["why"] ?? "")") {
        let text = "\($0)"
        XCTAssertTrue(text.hasPrefix(path), text)
        XCTAssertFalse(text.contains("\n"), text)
        XCTAssertLessThan(text.count, path.count + 300, text)
      }
    }
  }

  /// A tensor that no module of the network holds cannot change what it computes.
  func testATensorBesideTheNetworkIsNamed() throws {
    guard Golden.holds(Self.name, "extra_key.pth") else { return }
    let path = try Golden.file(Self.name, "extra_key.pth").path
    XCTAssertEqual(
      try ModelWeights(contentsOf: path).notes,
      ["a tensor beside the network's left out: extra.weight"])
  }

  func testARefusedPickleSaysWhatItAskedFor() throws {
    for (file, asked) in [
      ("evil_os_system_zip.pth", "posix.system"), ("evil_eval.pth", "__builtin__.eval"),
      ("evil_popen.pth", "commands.Popen"), ("evil_os_system_legacy.pth", "posix.system"),
    ] {
      let path = try Golden.file(Self.name, file).path
      XCTAssertThrowsError(try StateDict(contentsOf: path)) {
        XCTAssertTrue("\($0)".contains(asked), "\($0)")
      }
    }
  }

  /// What can be trained can be read back, up to the bounds of a network.
  func testTheDeepestNetworkIsReadBack() throws {
    var deepest = ModelConfiguration.tiny
    (deepest.dim, deepest.heads, deepest.bias) = (2, [1, 1, 1, 1], true)
    (deepest.blocks, deepest.refinementBlocks) = ([256, 256, 256, 256], 256)
    let tensors = RestormerModel(deepest).parameters.map {
      NamedTensor(
        name: $0.name, shape: $0.officialShape, values: [Float](repeating: 0, count: $0.count))
    }
    let path = NSTemporaryDirectory() + "deepest-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    try StateDict(tensors: tensors, metadata: [:]).writeSafetensors(to: path, as: .float16)
    XCTAssertEqual(try StateDict(contentsOf: path).tensors.map(\.name), tensors.map(\.name))
  }

  func testSafetensorsRoundTrips() throws {
    var generator = SystemRandomNumberGenerator()
    let values = (0..<60).map { _ in Float.random(in: -8...8, using: &generator) }
    let tensors = [
      NamedTensor(name: "a.\"quoted\"\\\n", shape: [3, 4, 5], values: values),
      NamedTensor(name: "one", shape: [], values: [0.5]),
      NamedTensor(name: "none", shape: [0, 3], values: []),
    ]
    let state = StateDict(tensors: tensors, metadata: ["key": "tab\there, \u{1F600}"])
    for type in [ElementType.float32, .float16, .bfloat16, .float64] {
      let path = NSTemporaryDirectory() + "roundtrip-\(UUID().uuidString).safetensors"
      defer { unlink(path) }
      try state.writeSafetensors(to: path, as: type)
      let copy = try StateDict(contentsOf: path)
      XCTAssertEqual(copy.metadata, state.metadata)
      XCTAssertEqual(copy.tensors.map(\.name), state.tensors.map(\.name))
      XCTAssertEqual(copy.tensors.map(\.shape), state.tensors.map(\.shape))
      XCTAssertEqual(copy.tensors[0].type, type)
      let precision: Float = type == .float16 ? 0x1p-11 : type == .bfloat16 ? 0x1p-8 : 0
      for (found, value) in zip(copy.tensors[0].values, values) {
        XCTAssertEqual(found, value, accuracy: abs(value) * precision)
      }
    }
  }

  /// A header whose length begins with the bytes of a pickle: 0x10280.
  func testAHeaderLengthMayLookLikeAPickle() throws {
    let path = NSTemporaryDirectory() + "lookalike-\(UUID().uuidString).safetensors"
    defer { unlink(path) }
    let json = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
    let padding = String(repeating: " ", count: 0x10280 - json.utf8.count)
    let bytes = [0x80, 2, 1, 0, 0, 0, 0, 0] + Array((json + padding).utf8) + [0, 0, 0x80, 0x3F]
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    XCTAssertEqual(try StateDict(contentsOf: path)["a"]?.values, [1])
  }

  /// Truncations and flipped bytes of every kind of file: an error or a state dict, never a crash.
  func testDamagedFilesNeverCrash() throws {
    var generator = SeededGenerator(state: 7)
    let names = [
      "params_zip.pth", "params_legacy.pth", "protocol4.pth", "nn_parameter.pth",
      "params_half.pth", "handmade_ok.safetensors", "model_f16.safetensors",
      "evil_os_system_legacy.pth",
    ]
    let path = NSTemporaryDirectory() + "damaged-\(UUID().uuidString)"
    defer { unlink(path) }
    for name in names {
      guard let original = try? Data(contentsOf: Golden.file(Self.name, name)) else { continue }
      for round in 0..<150 {
        var bytes = original
        // Damage where structure is: the first and the last 20 KB.
        let edge = min(20_000, bytes.count)
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          let near = Int.random(in: 0..<edge, using: &generator)
          bytes[round % 2 == 0 ? near : bytes.count - 1 - near] =
            UInt8.random(in: 0...255, using: &generator)
        }
        if round % 5 == 0 {
          bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        _ = try? ModelWeights(contentsOf: path)
      }
    }
  }

  /// Legacy files made of one pickle that tries to exhaust stack or memory.
  func testPickleBombsAreRefused() throws {
    let nested = [UInt8](repeating: 0x85, count: 2_000_000)
    let lists = [UInt8](repeating: UInt8(ascii: "]"), count: 2_000_000)
    let marks = [UInt8](repeating: UInt8(ascii: "("), count: 2_000_000)
    let doubling = (0..<100_000).flatMap { _ in [UInt8(ascii: "2"), 0x86] }
    let hugeText: [UInt8] = [0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
    for body in [nested, lists, marks, doubling, hugeText] {
      let path = NSTemporaryDirectory() + "bomb-\(UUID().uuidString).pth"
      defer { unlink(path) }
      let bytes: [UInt8] = [0x80, 2, UInt8(ascii: "N")] + body + [UInt8(ascii: ".")]
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      XCTAssertThrowsError(try StateDict(contentsOf: path))
    }
  }
}

private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 31)
  }
}
