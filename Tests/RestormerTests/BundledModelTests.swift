import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// The model inside the program does what is said of it, on pages it has not seen.
final class BundledModelTests: XCTestCase {
  func testEveryModelIsWholeAndDescribed() throws {
    XCTAssertFalse(BundledModel.names.isEmpty)
    for name in BundledModel.names {
      let model = try XCTUnwrap(BundledModel(named: name))
      XCTAssertEqual(model.name, name)
      XCTAssertGreaterThan(model.weights.model.parameterCount, 0)
      for line in [model.purpose, model.training, model.gain] {
        XCTAssertFalse(line.isEmpty)
        XCTAssertNotEqual(line, "not recorded")
        XCTAssertFalse(line.contains(where: \.isNewline), line)
      }
    }
    XCTAssertEqual(try BundledModel.standard().name, BundledModel.names[0])
    XCTAssertNil(try BundledModel(named: "no such model"))
  }

  /// It was never shown mirrored text.
  func testTheEnsembleIsOfTrainedOrientationsOnly() throws {
    XCTAssertEqual(try BundledModel.standard().weights.symmetries, [.identity])
    var weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 1)
    XCTAssertEqual(weights.symmetries, Symmetry.allCases)
    weights.metadata["restormer.symmetries"] = "flip-x, identity"
    XCTAssertEqual(weights.symmetries.map(\.name), ["identity", "flip-x"])
    let image = PlanarImage(
      width: 8, height: 16, channels: 3, pixels: (0..<384).map { Float($0 % 7) / 7 })
    var options = RestoreOptions()
    options.ensemble = true
    let flip = weights.symmetries[1]
    let average = try Restorer(weights, on: CPUBackend(), options: options).restore(image)
    let single = try Restorer(weights, on: CPUBackend())
    let (upright, turned) = (
      try single.restore(image), flip.undo(on: try single.restore(flip.apply(to: image)))
    )
    for index in average.pixels.indices {
      XCTAssertEqual(
        average.pixels[index], (upright.pixels[index] + turned.pixels[index]) / 2, accuracy: 1e-6)
    }
    weights.metadata["restormer.symmetries"] = "flip-z"
    XCTAssertThrowsError(try ModelWeights(weights.state)) {
      XCTAssertTrue("\($0)".contains("flip-z"), "\($0)")
    }
  }

  /// PSNR of `page` before and after, degraded by `recipe`, in light that leaves `light` of its
  /// brightness.
  private func scores<B: Backend>(
    _ page: String, _ recipe: String, light: Float = 1, on backend: B
  ) throws -> (before: Double, after: Double) {
    var (input, target) = try Examples.pair("pages/val/\(page)", recipe, seed: 5)
    input.pixels = input.pixels.map { $0 * light }
    target.pixels = target.pixels.map { $0 * light }
    let weights = try BundledModel.standard().weights
    let output = try Restorer(weights, on: backend).restore(input).picture.quantized
    return (try Metrics.psnr(input, target), try Metrics.psnr(output, target))
  }

  private func check<B: Backend>(_ backend: B) throws {
    let blurred = try scores("00-0.png", "none defocus=1.8 noise=2", on: backend)
    XCTAssertGreaterThan(blurred.after, blurred.before + 3)
    let shaken = try scores("01-0.png", "none motion=5 defocus=1.5 noise=2", on: backend)
    XCTAssertGreaterThan(shaken.after, shaken.before + 3)
    let dark = try scores("00-0.png", "none defocus=1.8 noise=2", light: 0.3, on: backend)
    XCTAssertGreaterThan(dark.after, dark.before + 3)
    let noisy = try scores("00-0.png", "none defocus=1.5 noise=12", on: backend)
    XCTAssertGreaterThan(noisy.after, noisy.before + 3)
    for recipe in ["none noise=1", "none noise=8", "none jpeg=70"] {
      let sharp = try scores("02-0.png", recipe, on: backend)
      XCTAssertGreaterThan(sharp.after, sharp.before - 0.3, recipe)
    }
  }

  func testPagesGainOnTheCPU() throws { try check(CPUBackend()) }

  func testPagesGainOnTheDevice() throws { try check(try Device.shared()) }
}
