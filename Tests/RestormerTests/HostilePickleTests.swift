import Foundation
import Restormer
import TestSupport
import XCTest

/// PyTorch files written to deceive: small ones that would take endless time or memory, and ones
/// that would be misread.
final class HostilePickleTests: XCTestCase {
  private func load(_ bytes: [UInt8]) throws -> StateDict {
    let path = NSTemporaryDirectory() + "hostile-\(UUID().uuidString).pth"
    defer { unlink(path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try StateDict(contentsOf: path)
  }

  private func expectRefusal(_ bytes: [UInt8], _ part: String, line: UInt = #line) {
    XCTAssertThrowsError(try load(bytes), line: line) {
      XCTAssertTrue("\($0)".contains(part), "\($0)", line: line)
    }
  }

  func testTheBuilderMakesFilesThatLoad() throws {
    let tensor = PickleText.tensor(storage: "0", count: 4, shape: [2], strides: [3])
    for file in [
      LegacyFile(PickleText.dictionary(["a": tensor])).bytes,
      zip([
        ("x/data.pkl", PickleText.pickle(PickleText.dictionary(["a": tensor]))),
        ("x/data/0", PickleText.floats([1, 2, 3, 4])),
      ]),
    ] {
      let state = try load(file)
      XCTAssertEqual(state["a"]?.values, [1, 4])
    }
  }

  /// A dictionary that holds itself many times over has endless paths through it.
  func testCyclesCostNoTime() throws {
    let tensor = PickleText.tensor(storage: "0", count: 4, shape: [4], strides: [1])
    let own = (0..<8).map { PickleText.text("self\($0)") + PickleText.recall(0) }
    let dictionary =
      [UInt8(ascii: "}")] + PickleText.keep(0)
      + PickleText.items([PickleText.text("a") + tensor] + own)
    XCTAssertEqual(try load(LegacyFile(dictionary).bytes)["a"]?.values, [1, 2, 3, 4])
  }

  /// Small files that would unpack to gigabytes, or claim to.
  func testArchivesThatUnpackWithoutEndAreRefused() {
    let pickle = PickleText.pickle(PickleText.dictionary([:]))
    let entries = [("x/data.pkl", pickle), ("x/data/0", [UInt8](repeating: 0, count: 100_000))]
    for (claimed, part) in [
      (100_000_000, "far more"), (1_000_000_000, "impossible size"), (1_000, "cannot be unpacked"),
    ] {
      expectRefusal(zip(entries, isDeflated: true, claiming: claimed), part)
    }
  }

  /// A stride that no element follows may be anything.
  func testStridesOfOneElementMayBeHuge() throws {
    let tensor = PickleText.tensor(storage: "0", count: 4, shape: [2, 1], strides: [1, .max])
    let file = LegacyFile(PickleText.dictionary(["a": tensor])).bytes
    XCTAssertEqual(try load(file)["a"]?.values, [1, 2])
  }

  func testStoragesOfTwoTypesAreRefused() {
    let float = PickleText.tensor(storage: "0", count: 4, shape: [4], strides: [1])
    let half = PickleText.tensor(storage: "0", type: "Half", count: 4, shape: [4], strides: [1])
    expectRefusal(LegacyFile(PickleText.dictionary(["a": float, "b": half])).bytes, "two element")
  }

  /// PyTorch notes on a view that its elements are stored with the other sign.
  func testNegatedViewsAreRefused() {
    let note = PickleText.dictionary(["neg": [0x88]])
    let tensor = PickleText.tensor(storage: "0", count: 4, shape: [4], strides: [1], note: note)
    expectRefusal(LegacyFile(PickleText.dictionary(["a": tensor])).bytes, "negated")
  }

  /// Strides of zero make a large tensor of one element.
  func testViewsLargerThanTheFileAreRefused() {
    for extent in [100_000, 1 << 40] {
      let tensor = PickleText.tensor(storage: "0", count: 1, shape: [extent], strides: [0])
      expectRefusal(LegacyFile(PickleText.dictionary(["a": tensor])).bytes, "more memory")
    }
  }

  /// A byte of a pickle must not make a hundred of memory: these would be 100 MB and more.
  func testAmplifiersAreRefused() {
    let shape = (0..<2000).flatMap { _ in PickleText.integer(0) }
    let wide = [UInt8(ascii: "(")] + shape + [UInt8(ascii: "t")] + PickleText.keep(1)
    let many = (0..<100_000).flatMap { _ in
      PickleText.recall(0) + PickleText.recall(1) + [0x86, UInt8(ascii: "0")]
    }
    let rebuild = PickleText.global("torch._utils", "_rebuild_tensor_v2") + PickleText.keep(2)
    let storage = PickleText.storage("0", "Float", 4) + PickleText.keep(0)
    let tensors = (0..<20_000).flatMap { _ in
      PickleText.recall(2) + [UInt8(ascii: "(")] + PickleText.recall(0) + PickleText.integer(0)
        + PickleText.recall(1) + PickleText.recall(1) + [UInt8(ascii: "t"), UInt8(ascii: "R")]
        + [UInt8(ascii: "0")]
    }
    let kept = (0..<2_000_000).flatMap { _ in [0x94] as [UInt8] }
    for body in [storage + wide + many, storage + wide + rebuild + tensors, [0x7D] + kept] {
      expectRefusal(LegacyFile(body).bytes, "more values")
    }
  }

  func testArchivesThatShareBytesAreRefused() {
    let pickle = PickleText.pickle(PickleText.dictionary([:]))
    let entries = [("x/data.pkl", pickle), ("x/data/0", [UInt8](repeating: 0, count: 1000))]
    expectRefusal(zip(entries, repeating: ("x/data/0", 500)), "overlaps")
    expectRefusal(zip([("x/data.pkl", pickle), ("y/data.pkl", pickle)]), "2 data.pkl")
  }

  func testOtherPicklesAreToldApart() {
    expectRefusal(PickleText.pickle(PickleText.dictionary(["a": [0x88]])), "torch.save")
  }
}
