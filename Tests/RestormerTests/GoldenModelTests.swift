import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// The whole network against values recorded from the official implementation, on both backends.
final class GoldenModelTests: XCTestCase {
  private static let cases = [
    "01_tiny_WithBias_biasFalse", "01_tiny_WithBias_biasTrue", "01_tiny_BiasFree_biasFalse",
    "01_tiny_BiasFree_biasTrue", "02_dualpixel", "02_dualpixel_bias", "02_gray_BiasFree",
  ]

  func testForwardOnTheCPU() throws { try checkForward(on: CPUBackend()) }

  func testForwardOnOpenCL() throws { try checkForward(on: try Device.shared()) }

  func testForwardInTheShapeOfAGPU() throws { try checkForward(on: try Device.gpuShaped()) }

  func testConfigurationsAreInferred() throws {
    for name in try Golden.cases(Self.cases) {
      let manifest = try Golden.manifest(name)
      let config = try XCTUnwrap(manifest["config"] as? [String: Any])
      let inferred = try ModelWeights(Golden.tensors(name, "weights.safetensors")).model
        .configuration
      XCTAssertEqual(inferred.dim, config["dim"] as? Int, name)
      XCTAssertEqual(inferred.blocks, config["num_blocks"] as? [Int], name)
      XCTAssertEqual(inferred.heads, config["heads"] as? [Int], name)
      XCTAssertEqual(inferred.bias, config["bias"] as? Bool, name)
      XCTAssertEqual(inferred.expansion, config["ffn_expansion_factor"] as? Double, name)
      XCTAssertEqual(inferred.normalization.rawValue, config["LayerNorm_type"] as? String, name)
      XCTAssertEqual(inferred.dualPixel, config["dual_pixel_task"] as? Bool, name)
      XCTAssertEqual(
        RestormerModel(inferred).parameters.map(\.name), manifest["parameter_order"] as? [String])
    }
  }

  func testThePapersNetworkHasTheCountedSize() {
    let model = RestormerModel(.paper)
    XCTAssertEqual(model.parameterCount, 26_126_644)
    let cost = model.cost(width: 256, height: 256)
    XCTAssertEqual(Double(cost.multiplyAdds) / 1e9, 154.9, accuracy: 0.1)
  }

  private func checkForward<B: Backend>(on backend: B) throws {
    for name in try Golden.cases(Self.cases) {
      let weights = try ModelWeights(Golden.tensors(name, "weights.safetensors"))
      let io = try Golden.tensors(name, "io.safetensors")
      let input = try XCTUnwrap(io["input"])
      for rules in [RuleSelection.none, .all] {
        let found = try forward(weights, input, rules, on: backend)
        let error = OpCheck.relativeError(found, try XCTUnwrap(io["output"]).values)
        XCTAssertLessThan(error, 2e-5, "\(name) on \(backend.name)")
      }
    }
  }

  private func forward<B: Backend>(
    _ weights: ModelWeights, _ input: NamedTensor, _ rules: RuleSelection, on backend: B
  ) throws -> [Float] {
    let recording = weights.model.record(
      n: input.shape[0], height: input.shape[2], width: input.shape[3])
    recording.graph.lower(
      for: LoweringTarget(backend.traits, .inference, rules: rules), keeping: [recording.output])
    let parameters = try DeviceParameters(weights.model, values: weights.values, on: backend)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    try plan.write(input.values, to: recording.input)
    try plan.run()
    return try plan.read(recording.output)
  }
}
