import Kernels
import TestSupport
import XCTest

/// Products by matrix units, on the imitated one: which item holds which element, and the precision
/// of floats split in two factors. What NVIDIA's own makes of it only its cards can show.
final class MatrixUnitTests: XCTestCase {
  /// Operators whose products a unit may compute.
  private static let names: Set = [
    "Conv1x1", "NormProduct", "Conv1x1BackwardWeight", "ChannelAttention", "AttentionMatrix",
    "ChannelAttentionBackward",
  ]

  func testProductsKeepThePrecisionOfFloat() throws {
    let (device, cpu) = (try Device.matrixUnit(), CPUBackend())
    // Of all tiles of products there are: many pixels and channels, few, and tails of both.
    let products = [
      OpCase(Conv1x1(bias: true), [Shape(1, 50, 24, 46), Shape(97, 50, 1, 1), .vector(97)]),
      OpCase(Conv1x1BackwardWeight(), [Shape(2, 50, 20, 25), Shape(2, 97, 20, 25)]),
    ]
    let cases = OpCatalog.cases.filter { Self.names.contains($0.op.name) && $0.isQuick }
    XCTAssertEqual(Set(cases.map(\.op.name)), Self.names)
    for check in products + cases {
      let inputs = check.randomInputs(seed: 3)
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: cpu)
      let found = try OpCheck.evaluate(check, inputs: inputs, on: device)
      XCTAssertEqual(found.violations, [], check.label)
      for (a, b) in zip(found.outputs, expected.outputs) {
        XCTAssertLessThanOrEqual(
          OpCheck.relativeError(a, b), check.tolerance, "\(check.op.name) \(check.label)")
      }
    }
  }

  /// 11 bits of either factor, and float's sums.
  func testTF32IsAsPreciseAsItSays() throws {
    let device = try Device.matrixUnit()
    let coarse = try XCTUnwrap(device.multiplyingInTF32())
    // Its matrices are too small for the unit.
    let names = Self.names.subtracting(["AttentionMatrix"])
    for check in OpCatalog.cases where names.contains(check.op.name) && check.isQuick {
      let inputs = check.randomInputs(seed: 3)
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: device)
      let found = try OpCheck.evaluate(check, inputs: inputs, on: coarse)
      XCTAssertEqual(found.violations, [], check.label)
      let errors = zip(found.outputs, expected.outputs).map { OpCheck.relativeError($0, $1) }
      XCTAssertLessThan(errors.max() ?? .infinity, 3e-3, "\(check.op.name) \(check.label)")
      XCTAssertGreaterThan(errors.max() ?? 0, 2e-5, "\(check.op.name) \(check.label)")
    }
  }

  /// Halves fit the unit's factors, so that what one factor more would add is zero: left out, it
  /// changes nothing.
  func testHalvesAreMultipliedWithoutARest() throws {
    let (device, plain) = (try Device.matrixUnit(), try Device.gpuShaped())
    let coarse = try XCTUnwrap(device.multiplyingInTF32())
    let sums = OpCase(Conv1x1BackwardWeight(), [Shape(2, 50, 20, 25), Shape(2, 97, 20, 25)])
    let gradients = try [plain, device, coarse].map {
      try OpCheck.evaluate(sums, inputs: sums.randomInputs(seed: 5), storing: .half, on: $0)
        .outputs[0]
    }
    XCTAssertLessThan(OpCheck.relativeError(gradients[1], gradients[0]), 1e-6)
    XCTAssertEqual(gradients[1], gradients[2])

    // Weights are floats and need both factors: what is stored as half rounds alike but for ties.
    let product = OpCase(Conv1x1(), [Shape(1, 50, 24, 46), Shape(97, 50, 1, 1)])
    let stored = try [plain, device, coarse].map {
      try OpCheck.evaluate(product, inputs: product.randomInputs(seed: 6), storing: .half, on: $0)
        .outputs[0]
    }
    func changed(_ a: [Float], _ b: [Float]) -> Double {
      Double(zip(a, b).count { $0 != $1 }) / Double(a.count)
    }
    XCTAssertLessThan(changed(stored[1], stored[0]), 0.01)
    XCTAssertGreaterThan(changed(stored[2], stored[0]), 0.1)

    // A norm takes differences of halves, which are none.
    let norm = try XCTUnwrap(
      OpCatalog.cases.filter { $0.op is NormProduct && $0.isQuick }.max(by: isLess))
    let normed = try [plain, device].map {
      try OpCheck.evaluate(norm, inputs: norm.randomInputs(seed: 8), storing: .half, on: $0)
        .outputs[0]
    }
    XCTAssertLessThan(changed(normed[1], normed[0]), 0.01)
  }

  /// Of which rests are left out, and of which not: norms' products have differences of halves.
  func testAllThatIsStoredAsHalfStaysWithinItsBounds() throws {
    let (device, cpu) = (try Device.matrixUnit(), CPUBackend())
    let cases = OpCatalog.cases.filter {
      Self.names.contains($0.op.name) && $0.storesHalf && $0.isQuick
    }
    // Each is compiled for itself: the largest of each operator.
    let largest = Dictionary(grouping: cases, by: \.op.name).compactMap { $0.value.max(by: isLess) }
    for check in largest {
      let inputs = check.randomInputs(seed: 7).map { $0.map { Float(Float16($0)) } }
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: cpu)
      let found = try OpCheck.evaluate(check, inputs: inputs, storing: .half, on: device)
      XCTAssertEqual(found.violations, [], check.label)
      for (a, b) in zip(found.outputs, expected.outputs) {
        XCTAssertLessThanOrEqual(
          OpCheck.relativeError(a, b), check.tolerance(storing: .half),
          "\(check.op.name) \(check.label)")
      }
    }
  }

  /// NVIDIA's arithmetic makes this NaN, which rounding to the unit's factors would make a zero.
  func testWhatIsNoNumberStaysSo() throws {
    let device = try XCTUnwrap(try Device.matrixUnit().multiplyingInTF32())
    let cases = [
      OpCase(Conv1x1(), [Shape(1, 48, 16, 40), Shape(96, 48, 1, 1)]),
      OpCase(Conv1x1BackwardWeight(), [Shape(1, 48, 16, 40), Shape(1, 96, 16, 40)]),
    ]
    for check in cases {
      var inputs = check.randomInputs(seed: 1)
      inputs[0][5] = Float(bitPattern: 0x7fff_ffff)
      let outputs = try OpCheck.evaluate(check, inputs: inputs, on: device).outputs
      XCTAssertFalse(outputs[0].allSatisfy(\.isFinite), check.op.name)
    }
  }

  func testDevicesWithoutAUnitHaveNoTF32() throws {
    XCTAssertNil(try Device.gpuShaped().multiplyingInTF32())
    XCTAssertNil(try CPUBackend().multiplyingInTF32())
  }
}

private func isLess(_ a: OpCase, _ b: OpCase) -> Bool { a.size < b.size }

extension OpCase {
  fileprivate var size: Int { inputs.map(\.count).reduce(0, +) }
  fileprivate var isQuick: Bool { size < 8_000 }
}
