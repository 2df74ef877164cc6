import CLBackend
import Foundation

/// Who multiplies the small matrices of a GPU's products.
package enum MatrixUnit: Int, Hashable, Sendable {
  /// Nobody: multiply-adds of single floats.
  case none = 0
  /// The device's unit for products of small matrices, by NVIDIA's PTX.
  case mma = 1
  /// Plain code that shares the work among items as that unit does: for checks without one.
  case imitated = 2

  /// What `RESTORMER_MATRIX_UNIT` asks for: `off`, `on` (whatever its speed, and without the check)
  /// or, by default, a fast unit that passes the check.
  fileprivate static let wish =
    ProcessInfo.processInfo.environment["RESTORMER_MATRIX_UNIT"] ?? "auto"
}

extension OpenCLBackend {
  /// Whether products go to the device's matrix unit.
  package var usesMatrixUnit: Bool { configuration.matrixUnit == .mma }

  /// The same device with products by its matrix unit where it has a fast one that multiplies
  /// right, else this one.
  ///
  /// Floats are split in two factors of the unit each, which keeps the precision of float.
  func usingMatrixUnit() -> OpenCLBackend {
    guard traits.hasMatrixUnit, MatrixUnit.wish != "off" else { return self }
    let other = multiplying(by: .mma)
    if MatrixUnit.wish == "on" { return other }
    return traits.hasFastMatrixUnit && agrees(with: other) ? other : self
  }

  /// Whether products of all kinds come out as they do here. Where the driver does not compile them
  /// they do not.
  private func agrees(with other: OpenCLBackend) -> Bool {
    let cases = [
      OpCase(Conv1x1(bias: true), [Shape(1, 48, 16, 40), Shape(96, 48, 1, 1), .vector(96)]),
      OpCase(Conv1x1BackwardWeight(), [Shape(1, 48, 16, 40), Shape(1, 96, 16, 40)]),
    ]
    return cases.allSatisfy { check in
      let inputs = check.randomInputs(seed: 1)
      guard let found = try? OpCheck.evaluate(check, inputs: inputs, on: other),
        let expected = try? OpCheck.evaluate(check, inputs: inputs, on: self)
      else { return false }
      return zip(found.outputs, expected.outputs).allSatisfy {
        OpCheck.relativeError($0, $1) < 1e-5
      }
    }
  }
}
