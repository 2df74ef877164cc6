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

  /// When a device's unit is used.
  enum Wish: String, CaseIterable {
    /// Where it is fast and multiplies right.
    case auto
    /// Always.
    case on
    /// Never.
    case off
  }

  /// The wish that a variable of the environment names.
  /// - Throws: `DeviceError` where it names none.
  fileprivate static func wish(of name: String?) throws -> Wish {
    guard let name, !name.isEmpty else { return .auto }
    guard let wish = Wish(rawValue: name) else {
      let names = Wish.allCases.map(\.rawValue).joined(separator: ", ")
      throw DeviceError("RESTORMER_MATRIX_UNIT: '\(name)', expected one of \(names)")
    }
    return wish
  }
}

extension OpenCLBackend {
  /// Whether products go to the device's matrix unit.
  package var usesMatrixUnit: Bool { configuration.matrixUnit == .mma }

  /// The same device with products by its matrix unit, if it has one that is to be used, else this
  /// one.
  ///
  /// Floats are split in two factors of the unit each, which keeps the precision of float.
  /// - Throws: `DeviceError` for an unknown wish in `RESTORMER_MATRIX_UNIT`.
  func usingMatrixUnit() throws -> OpenCLBackend {
    try withUnit { traits.hasFastMatrixUnit && agrees(with: $0) } ?? self
  }

  /// Also on cards whose unit gains nothing as long as floats are split in two.
  public func multiplyingInTF32() throws -> OpenCLBackend? {
    let unit = configuration.matrixUnit == .none ? try withUnit(where: agrees) : self
    return unit.map { $0.multiplying(by: $0.configuration.matrixUnit, factors: 1) }
  }

  /// The device with its unit where it has one and the environment wishes for it, or leaves it to
  /// `isGood`.
  private func withUnit(where isGood: (OpenCLBackend) -> Bool) throws -> OpenCLBackend? {
    let wish = try MatrixUnit.wish(
      of: ProcessInfo.processInfo.environment["RESTORMER_MATRIX_UNIT"])
    guard traits.hasMatrixUnit, wish != .off else { return nil }
    let other = multiplying(by: .mma)
    return wish == .on || isGood(other) ? other : nil
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
