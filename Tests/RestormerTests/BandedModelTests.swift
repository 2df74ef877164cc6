import Kernels
import Restormer
import TestSupport
import XCTest

/// The network in bands of rows: the same picture in a fraction of the memory.
final class BandedModelTests: XCTestCase {
  func testBandsGiveTheWholeNetworksResult() throws {
    try check(on: CPUBackend())
    try check(on: Device.shared())
    try check(on: Device.gpuShaped())
    try check(on: Device.smallBands())
  }

  private func check<B: Backend>(on backend: B) throws {
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 3)
    let parameters = try DeviceParameters(weights.model, values: weights.values, on: backend)
    let pixels: [Float] = (0..<3 * 64 * 96).map { index in Float(index * 37 % 255) / 255 }
    func output(_ saving: MemorySaving, _ rules: RuleSelection = .all) throws -> [Float] {
      let recording = weights.model.record(height: 64, width: 96)
      recording.graph.lower(
        for: LoweringTarget(backend.traits, .inference, saving: saving, rules: rules),
        keeping: [recording.output])
      let plan = try Plan(
        recording.graph, keeping: [recording.output], on: backend,
        binding: parameters.bindings(for: recording))
      try plan.write(pixels, to: recording.input)
      try plan.run()
      return try plan.read(recording.output)
    }
    let whole = try output(.none, .none)
    for saving in MemorySaving.allCases {
      let lowered = try output(saving)
      XCTAssertLessThan(
        OpCheck.relativeError(lowered, whole), 1e-5, "\(backend.name), saving \(saving)")
    }
  }

  /// Parameters are bound by name: those of another network are refused with the first that does
  /// not fit.
  func testParametersOfAnotherNetworkAreRefused() throws {
    var other = ModelConfiguration.tiny
    other.bias.toggle()
    var wider = ModelConfiguration.tiny
    wider.dim *= 2
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 3)
    let parameters = try DeviceParameters(
      weights.model, values: weights.values, on: CPUBackend())
    for (configuration, part) in [(other, "bias"), (wider, "has shape")] {
      let recording = RestormerModel(configuration).record(height: 16, width: 16)
      XCTAssertThrowsError(try parameters.bindings(for: recording)) { error in
        XCTAssertTrue(error is ModelError, "\(error)")
        XCTAssertTrue("\(error)".contains(part), "\(error)")
      }
    }
    let own = weights.model.record(height: 16, width: 16)
    XCTAssertEqual(try parameters.bindings(for: own).count, weights.model.parameters.count)
  }

  /// About two feature maps of the widest level, or one with v computed twice; 2 GiB of v are not
  /// kept.
  func testLargePicturesFitIntoTwoFeatureMaps() {
    let model = RestormerModel(.paper)
    for (width, height, kept, lean) in [
      (1920, 1080, 2.0e9, 1.2e9), (3840, 2160, 4.25e9, 4.25e9),
    ] {
      let cost = model.cost(width: width, height: height)
      XCTAssertLessThan(Double(cost.activationBytes + cost.parameterBytes), kept)
      XCTAssertLessThan(Double(cost.leanActivationBytes + cost.parameterBytes), lean)
    }
  }
}
