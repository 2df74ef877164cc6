import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Restoring with activations stored as half, on kernels of a GPU's shape.
final class HalfRestoringTests: XCTestCase {
  private func options(_ precision: PrecisionChoice) -> RestoreOptions {
    var options = RestoreOptions()
    options.precision = precision
    return options
  }

  private func picture(_ width: Int, _ height: Int) -> PlanarImage {
    let pixels = (0..<3 * width * height).map { Float(($0 * 7919) % 251) / 250 }
    return PlanarImage(width: width, height: height, channels: 3, pixels: pixels)
  }

  /// The root mean square of what half storage changes.
  private func difference<B: Backend>(
    _ image: PlanarImage, _ weights: ModelWeights,
    _ change: (inout RestoreOptions) -> Void = { _ in }, on backend: B
  ) throws -> Double {
    let results = try [PrecisionChoice.float, .half].map { precision in
      var options = options(precision)
      change(&options)
      let restorer = try Restorer(weights, on: backend, options: options)
      let result = try restorer.restore(image).pixels
      XCTAssertEqual(restorer.precision, precision == .half ? .half : .float)
      XCTAssertEqual(restorer.plan?.isHalf, precision == .half)
      return result
    }
    XCTAssertNotEqual(results[0], results[1])
    let sum = zip(results[0], results[1]).reduce(0.0) {
      $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
    }
    return (sum / Double(results[0].count)).squareRoot()
  }

  /// Odd sizes, tiles, averaged orientations, windows of statistics.
  func testResultsStayWithinTheBound() throws {
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let backend = try Device.gpuShaped()
    for (width, height) in [(1, 1), (37, 61), (72, 40)] {
      let error = try difference(picture(width, height), weights, on: backend)
      XCTAssertLessThan(error, HalfStorage.bound, "\(width)x\(height)")
    }
    let changes: [(inout RestoreOptions) -> Void] = [
      { ($0.tile, $0.overlap) = (.pixels(32), 8) }, { $0.ensemble = true },
      { $0.localStatistics = .pixels(32) },
    ]
    for change in changes {
      XCTAssertLessThan(
        try difference(picture(61, 45), weights, change, on: backend), HalfStorage.bound)
    }
  }

  /// The kernels of a CPU device, which run in bands, can do it too.
  func testBandsOfACPUDeviceStoreHalf() throws {
    let weights = try BundledModel.standard().weights
    let error = try difference(picture(56, 41), weights, on: Device.shared())
    XCTAssertLessThan(error, HalfStorage.bound)
  }

  /// What is printed and promised: the score of the bundled model hardly moves.
  func testScoresOfTheBundledModelStay() throws {
    let weights = try BundledModel.standard().weights
    for (page, recipe) in [("00-0.png", "none defocus=1.8 noise=2")] {
      let (input, target) = try Examples.pair("pages/val/\(page)", recipe, seed: 5)
      let scores = try [PrecisionChoice.float, .half].map { precision in
        let restorer = try Restorer(
          weights, on: Device.gpuShaped(), options: options(precision))
        return try Metrics.psnr(restorer.restore(input).picture.quantized, target)
      }
      XCTAssertEqual(scores[0], scores[1], accuracy: 0.02, page)
    }
  }

  func testAutoIsHalfOnGPUsAlone() throws {
    let weights = try BundledModel.standard().weights
    XCTAssertTrue(try HalfStorage(weights, on: Device.gpuShaped()).isWithinBound)
    XCTAssertEqual(
      try Restorer(weights, on: Device.gpuShaped(), options: options(.automatic)).precision, .half)
    XCTAssertEqual(try Restorer(weights, on: Device.shared()).precision, .float)
    XCTAssertEqual(try Restorer(weights, on: CPUBackend()).precision, .float)
    XCTAssertThrowsError(try Restorer(weights, on: CPUBackend(), options: options(.half))) {
      XCTAssertEqual(
        "\($0)",
        "precision half: the CPU backend stores float only, expected float or an OpenCL "
          + "device")
    }
  }

  /// Weights whose activations exceed what half precision holds: one line, and the result of float.
  func testOverflowFallsBackToFloat() throws {
    var weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let embedding = try XCTUnwrap(
      weights.model.parameters.first { $0.name == "patch_embed.proj.weight" })
    for index in embedding.offset..<embedding.offset + embedding.count {
      weights.values[index] *= 1e6
    }
    let image = picture(48, 40)
    let backend = try Device.gpuShaped()
    for change in [(inout RestoreOptions) -> Void]([
      { _ in }, { ($0.tile, $0.overlap) = (.pixels(32), 8) },
    ]) {
      var (float, half) = (options(.float), options(.half))
      change(&float)
      change(&half)
      let expected = try Restorer(weights, on: backend, options: float).restore(image)
      let restorer = try Restorer(weights, on: backend, options: half)
      var notes: [String] = []
      restorer.note = { notes.append($0) }
      XCTAssertEqual(try restorer.restore(image).pixels, expected.pixels)
      XCTAssertEqual(
        notes, ["numbers beyond 65504 do not fit half storage: going on in float"])
      XCTAssertEqual(restorer.precision, .float)
    }
    // Then auto does not begin with it.
    XCTAssertFalse(try HalfStorage(weights, on: backend).isWithinBound)
    let automatic = try Restorer(weights, on: backend, options: options(.automatic))
    var notes: [String] = []
    automatic.note = { notes.append($0) }
    XCTAssertEqual(automatic.precision, .float)
    XCTAssertEqual(notes.count, 1)
  }

  /// Tiles under a limit of memory are larger where activations take half of it.
  func testPromisedMemoryCountsHalves() throws {
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let needs = try [PrecisionChoice.float, .half].map { precision in
      let restorer = try Restorer(
        weights, on: Device.gpuShaped(), options: options(precision))
      return try restorer.memoryNeed(
        of: RestoreLayout(side: nil, saving: .none), width: 512, height: 512)
    }
    XCTAssertLessThan(Double(needs[1]), 0.65 * Double(needs[0]))
  }
}
