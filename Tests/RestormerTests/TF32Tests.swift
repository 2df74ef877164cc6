import Kernels
import Restormer
import TestSupport
import XCTest

/// Restoring and training with products in TF32, on an imitated matrix unit.
final class TF32Tests: XCTestCase {
  func testNetworksStayWithinTheBounds() throws {
    let device = try Device.matrixUnit()
    let coarse = try XCTUnwrap(device.multiplyingInTF32())
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let products = try TF32Products(weights, on: device, and: coarse)
    XCTAssertLessThan(products.results, HalfStorage.bound)
    XCTAssertGreaterThan(products.results, 1e-7)
    XCTAssertLessThan(products.gradients, HalfGradients.bound)
    XCTAssertGreaterThan(products.gradients, 1e-5)
  }

  func testARestorerTakesItWhereItIsAskedFor() throws {
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let picture = PlanarImage(
      width: 24, height: 16, channels: 3,
      pixels: (0..<3 * 24 * 16).map { Float($0 * 7919 % 251) / 250 })
    let results = try [PrecisionChoice.float, .tf32].map { precision in
      var options = RestoreOptions()
      options.precision = precision
      let restorer = try Restorer(weights, on: Device.matrixUnit(), options: options)
      XCTAssertEqual(restorer.precision, .float)
      return try restorer.restore(picture).pixels
    }
    XCTAssertNotEqual(results[0], results[1])
    XCTAssertLessThan(OpCheck.relativeError(results[1], results[0]), 1e-3)
  }
}
