import Foundation
import Restormer
import TestSupport
import XCTest

/// Tensors of every type and form that a PyTorch file can hold.
final class PickledTensorTests: XCTestCase {
  private func load(_ bytes: [UInt8]) throws -> StateDict {
    let path = NSTemporaryDirectory() + "tensor-\(UUID().uuidString).pth"
    defer { unlink(path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try StateDict(contentsOf: path)
  }

  private func file(
    _ tensor: [UInt8], _ storage: [UInt8], byteOrder: String = "little"
  ) -> [UInt8] {
    zip([
      ("x/data.pkl", PickleText.pickle(PickleText.dictionary(["a": tensor]))),
      ("x/byteorder", Array(byteOrder.utf8)), ("x/data/0", storage),
    ])
  }

  private func plain(_ type: String, _ count: Int) -> [UInt8] {
    PickleText.tensor(storage: "0", type: type, count: count, shape: [count], strides: [1])
  }

  func testEveryTypeIsRead() throws {
    let little = { (words: [any FixedWidthInteger]) in words.flatMap { PickleText.little($0) } }
    let cases: [(String, [UInt8], [Float])] = [
      ("Float", PickleText.floats([1.5, -2]), [1.5, -2]),
      ("Double", little([(1.5).bitPattern, (-2.0).bitPattern]), [1.5, -2]),
      ("Half", little([Float16(1.5).bitPattern, Float16(-2).bitPattern]), [1.5, -2]),
      ("BFloat16", little([UInt16(0x3FC0), UInt16(0xC000)]), [1.5, -2]),
      ("Long", little([Int64(3), Int64(-4)]), [3, -4]),
      ("Int", little([Int32(3), Int32(-4)]), [3, -4]),
      ("Short", little([Int16(3), Int16(-4)]), [3, -4]),
      ("Char", little([Int8(3), Int8(-4)]), [3, -4]),
      ("Byte", [3, 250], [3, 250]),
      ("Bool", [0, 1], [0, 1]),
    ]
    for (type, bytes, values) in cases {
      XCTAssertEqual(try load(file(plain(type, 2), bytes))["a"]?.values, values, type)
    }
  }

  /// Types without a storage class of their own lie in bytes.
  func testTypedTensorsAreRead() throws {
    let cases: [(String, [UInt8], [Float])] = [
      ("float8_e4m3fn", [0x38, 0xC4, 0x7E, 0x01], [1, -3, 448, 0x1p-9]),
      ("float8_e5m2", [0x3C, 0xC2, 0x7B, 0x01], [1, -3, 57344, 0x1p-16]),
      ("uint16", [1, 0, 0xFF, 0xFF], [1, 65535]),
    ]
    for (type, bytes, values) in cases {
      let tensor = PickleText.tensor(
        storage: "0", type: "Untyped", count: bytes.count, shape: [values.count], strides: [1],
        element: type)
      XCTAssertEqual(try load(file(tensor, bytes))["a"]?.values, values, type)
    }
  }

  func testBigEndianArchivesAreTurned() throws {
    let bytes = PickleText.floats([1.5, -2]).chunks(of: 4).flatMap { $0.reversed() }
    let state = try load(file(plain("Float", 2), bytes, byteOrder: "big"))
    XCTAssertEqual(state["a"]?.values, [1.5, -2])
  }

  /// The legacy form has the lowest byte first on every machine.
  func testLegacyFilesOfBigEndianMachinesAreRead() throws {
    var file = LegacyFile(PickleText.dictionary(["a": plain("Float", 4)]))
    file.isLittleEndian = false
    XCTAssertEqual(try load(file.bytes)["a"]?.values, [1, 2, 3, 4])
  }

  func testOtherTensorsAreRefusedByTheirName() {
    let complex = PickleText.tensor(
      storage: "0", type: "ComplexFloat", count: 1, shape: [1], strides: [1])
    let quantized = PickleText.call("torch._utils", "_rebuild_qtensor", [])
    let sparse = PickleText.call("torch._utils", "_rebuild_sparse_tensor", [])
    for (tensor, kind) in [(complex, "complex64"), (quantized, "quantized"), (sparse, "sparse")] {
      XCTAssertThrowsError(try load(file(tensor, [UInt8](repeating: 0, count: 8)))) {
        XCTAssertTrue("\($0)".contains(kind) && "\($0)".contains("'a'"), "\($0)")
      }
    }
  }

  /// Parameters, tensors with attributes, copies for other devices.
  func testWrappedTensorsAreRead() throws {
    let inner = plain("Float", 2)
    let arguments = PickleText.tuple([
      PickleText.storage("0", "Float", 2), PickleText.integer(0),
      PickleText.tuple([PickleText.integer(2)]), PickleText.tuple([PickleText.integer(1)]), [0x89],
      PickleText.call("collections", "OrderedDict", []),
    ])
    let forms = [
      PickleText.call("torch._utils", "_rebuild_parameter", [inner, [0x88], [UInt8(ascii: "N")]]),
      PickleText.call(
        "torch._utils", "_rebuild_parameter_with_state",
        [inner, [0x88], [UInt8(ascii: "N")], PickleText.dictionary(["a": [0x88]])]),
      PickleText.call("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", [inner]),
      PickleText.call(
        "torch._tensor", "_rebuild_from_type_v2",
        [
          PickleText.global("torch._utils", "_rebuild_tensor_v2"),
          PickleText.global("torch", "Tensor"), arguments, PickleText.dictionary([:]),
        ]),
      // From before PyTorch 0.2: a class, made empty and filled.
      PickleText.call("torch", "FloatTensor", [])
        + PickleText.tuple([
          PickleText.storage("0", "Float", 2), PickleText.integer(0),
          PickleText.tuple([PickleText.integer(2)]), PickleText.tuple([PickleText.integer(1)]),
        ]) + [UInt8(ascii: "b")],
    ]
    for form in forms {
      XCTAssertEqual(try load(file(form, PickleText.floats([5, 6])))["a"]?.values, [5, 6])
    }
  }

  /// Python 2 lists the pairs of an ordered dictionary; files from before 0.4 have views of
  /// storages.
  func testOldFormsAreRead() throws {
    let view = PickleText.tuple([
      PickleText.text("v"), PickleText.integer(1), PickleText.integer(2),
    ])
    let tensor = PickleText.tensor(
      storage: "0", count: 4, shape: [2], strides: [1], view: view)
    let pairs = PickleText.list([PickleText.list([PickleText.text("a"), tensor])])
    let object = PickleText.call("collections", "OrderedDict", [pairs])
    let state = try load(LegacyFile(object).bytes)
    XCTAssertEqual(state["a"]?.values, [2, 3])
  }
}

extension Array {
  fileprivate func chunks(of size: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
  }
}
