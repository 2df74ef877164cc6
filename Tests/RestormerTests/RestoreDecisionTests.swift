import Kernels
import Restormer
import XCTest

/// Whoever restores a picture is told what was decided about it.
final class RestoreDecisionTests: XCTestCase {
  /// A network that returns its input, with metadata.
  private func weights(_ metadata: [String: String] = [:]) -> ModelWeights {
    var weights = ModelWeights(model: RestormerModel(.tiny))
    weights.metadata = metadata
    return weights
  }

  private func page(exposure: Float = 1) -> Image {
    let pixels = (0..<3 * 40 * 24).map { exposure * ($0 % 9 == 0 ? 0.2 : 1) }
    return Image(width: 40, height: 24, channels: 3, pixels: pixels)
  }

  func testSharpPicturesAreLeftAloneUnlessTheyToo() throws {
    let demanding = weights(["restormer.least_crispness_gain": "2"])
    let bitmap = try page().encode(format: .png).withUnsafeBytes { try Bitmap(bytes: $0) }
    for (weights, evenSharp, expected) in [
      (demanding, false, true), (demanding, true, false), (self.weights(), false, false),
    ] {
      var options = RestoreOptions()
      options.evenSharp = evenSharp
      let restorer = try Restorer(weights, on: CPUBackend(), options: options)
      XCTAssertEqual(try restorer.restore(page()).decision.isLeftAlone, expected)
      XCTAssertEqual(try restorer.restore(bitmap).decision.isLeftAlone, expected)
    }
    // What is left alone is the picture itself, not what the network made of it.
    var changing = ModelWeights.initialized(RestormerModel(.tiny), seed: 3)
    changing.metadata = ["restormer.least_crispness_gain": "1e9"]
    let left = try Restorer(changing, on: CPUBackend()).restore(page())
    XCTAssertTrue(left.decision.isLeftAlone)
    XCTAssertEqual(left.picture.pixels, page().pixels)
  }

  func testBrighteningIsTold() throws {
    let restorer = try Restorer(weights(["restormer.paper": "white"]), on: CPUBackend())
    let dark = try restorer.restore(page(exposure: 0.5)).decision
    XCTAssertTrue(dark.isBrightened)
    XCTAssertEqual(dark.exposure, 0.5, accuracy: 2e-3)
    XCTAssertFalse(try restorer.restore(page()).decision.isBrightened)
  }

  func testTilesAreTold() throws {
    var options = RestoreOptions()
    XCTAssertNil(
      try Restorer(weights(), on: CPUBackend()).restore(page()).decision.layout.side)
    (options.tile, options.overlap) = (.pixels(16), 4)
    let restorer = try Restorer(weights(), on: CPUBackend(), options: options)
    XCTAssertEqual(try restorer.restore(page()).decision.layout.side, 16)
  }

  func testThePictureMustFitTheMachine() throws {
    let restorer = try Restorer(weights(), on: CPUBackend())
    let need = restorer.hostMemoryNeed(width: 40, height: 24)
    func offer(_ bytes: Int) {
      restorer.hostMemory = {
        MemoryBudget(memory: bytes * 8 / 7 + 8, allocation: bytes, isHost: true)
      }
    }
    offer(need)
    XCTAssertNoThrow(try restorer.checkHostMemory(width: 40, height: 24))
    XCTAssertNoThrow(try restorer.restore(page()))
    // The picture that is there already is not counted twice.
    offer(need - 1000)
    XCTAssertThrowsError(try restorer.checkHostMemory(width: 40, height: 24))
    XCTAssertNoThrow(try restorer.restore(page()))
    offer(100)
    XCTAssertThrowsError(try restorer.restore(page())) {
      XCTAssertTrue("\($0)".contains("40x24 needs about"), "\($0)")
      XCTAssertTrue("\($0)".contains("the machine offers"), "\($0)")
    }
  }

  /// Validation restores with the weights where training has them.
  func testTrainedWeightsRestoreWithoutACopy() throws {
    let backend = CPUBackend()
    let model = RestormerModel(.tiny)
    let weights = ModelWeights.initialized(model, seed: 5)
    for decay in [nil, 0.9] {
      let engine = try TrainingEngine(
        model, values: weights.values, loss: .l1, optimizer: OptimizerOptions(.adamw),
        averageDecay: decay, on: backend)
      let before = backend.bytesInUse
      let restorer = try Restorer(
        engine.keptParameters, PictureTreatment(.none), on: backend)
      XCTAssertEqual(backend.bytesInUse, before)
      let expected = try Restorer(weights, on: backend).restore(page())
      XCTAssertEqual(try restorer.restore(page()).picture.pixels, expected.picture.pixels)
    }
  }
}
