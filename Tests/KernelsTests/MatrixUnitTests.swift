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
}

extension OpCase {
  fileprivate var isQuick: Bool { inputs.map(\.count).reduce(0, +) < 8_000 }
}
