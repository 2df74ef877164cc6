import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Losses and every gradient of whole networks against the official implementation (golden cases
/// 01, 02 and 05), with and without recomputation, on both backends.
final class GoldenGradientTests: XCTestCase {
  private static let cases = [
    "01_tiny_WithBias_biasFalse", "01_tiny_WithBias_biasTrue", "01_tiny_BiasFree_biasFalse",
    "01_tiny_BiasFree_biasTrue", "02_dualpixel", "02_dualpixel_bias", "02_gray_BiasFree",
  ]

  func testTinyNetworksOnTheCPU() throws { try checkTiny(on: CPUBackend()) }

  func testTinyNetworksOnOpenCL() throws { try checkTiny(on: try Device.shared()) }

  func testThePapersNetworkOnTheCPU() throws { try checkPaper(on: CPUBackend()) }

  func testThePapersNetworkOnOpenCL() throws { try checkPaper(on: try Device.shared()) }

  private func checkTiny<B: Backend>(on backend: B) throws {
    for name in try Golden.cases(Self.cases) {
      let weights = try ModelWeights(Golden.tensors(name, "weights.safetensors"))
      let io = try Golden.tensors(name, "io.safetensors")
      for (loss, suffix) in [(PixelLoss.Kind.l1, "l1"), (.mse, "mse")]
      where Golden.holds(name, "grads_\(suffix).safetensors") {
        try check(name, suffix, weights, io, loss, on: backend)
      }
    }
  }

  private func check<B: Backend>(
    _ name: String, _ suffix: String, _ weights: ModelWeights, _ io: StateDict,
    _ kind: PixelLoss.Kind, on backend: B
  ) throws {
    let (input, target) = (try XCTUnwrap(io["input"]), try XCTUnwrap(io["target"]))
    let results = try [false, true].map { recompute in
      try gradients(
        weights.model, weights.values, input, target, kind, recompute, on: backend)
    }
    let (loss, inputGradient, found) = results[0]
    XCTAssertEqual(found, results[1].parameters, "\(name): recomputation changes gradients")
    XCTAssertEqual(loss, try XCTUnwrap(io["loss_\(suffix)"]).values[0], accuracy: 1e-5)
    let recorded = try XCTUnwrap(io["grad_input_\(suffix)"], "\(name) \(suffix)").values
    XCTAssertLessThan(OpCheck.relativeError(inputGradient, recorded), 5e-4, "\(name) \(suffix)")
    let expected = try Golden.tensors(name, "grads_\(suffix).safetensors").tensors
    let compared = compare(
      found, of: weights.model, with: expected.map { ($0.name, $0.values) },
      "\(name) \(suffix) on \(backend.name)")
    XCTAssertGreaterThan(compared, weights.model.parameters.count / 2, name)
  }

  private func checkPaper<B: Backend>(on backend: B) throws {
    let manifest = try Golden.manifest("05_full")
    let generator = WeightGenerator(salt: manifest["salt"] as? String ?? "")
    let model = RestormerModel(.paper)
    let weights = generator.weights(model)
    let runs = try XCTUnwrap(manifest["runs"] as? [String: [String: Any]])
    for run in try Golden.recordings(runs.keys.sorted().map { "run_" + $0 }, of: "05_full") {
      let expected = try Golden.tensors("05_full", run + ".safetensors")
      let shape = try XCTUnwrap(expected["output"]).shape
      func image(_ name: String) -> NamedTensor {
        NamedTensor(name: name, shape: shape, values: generator.values(name: name, shape: shape))
      }
      let (loss, inputGradient, found) = try gradients(
        model, weights, image("input"), image("target"), .l1, false, on: backend)
      XCTAssertEqual(loss, try XCTUnwrap(expected["loss_l1"]).values[0], accuracy: 1e-4, run)
      XCTAssertLessThan(
        OpCheck.relativeError(inputGradient, try XCTUnwrap(expected["grad_input"]).values), 5e-4,
        run)
      let recorded = expected.tensors.filter { $0.name.hasPrefix("grad.") }
      let compared = compare(
        found, of: model, with: recorded.map { (String($0.name.dropFirst(5)), $0.values) },
        "\(run) on \(backend.name)")
      XCTAssertGreaterThan(compared, 0, run)
    }
  }

  /// Compares every recorded gradient with the one found, and gives their number.
  private func compare(
    _ found: [[Float]], of model: RestormerModel, with recorded: [(name: String, values: [Float])],
    _ what: String
  ) -> Int {
    let places = model.parameters.enumerated().map { ($1.name, $0) }
    let place = Dictionary(uniqueKeysWithValues: places)
    for (name, values) in recorded {
      guard let index = place[name] else {
        XCTFail("\(what): no parameter \(name)")
        continue
      }
      XCTAssertLessThan(OpCheck.relativeError(found[index], values), 5e-4, "\(what): \(name)")
    }
    return recorded.count
  }

  private func gradients<B: Backend>(
    _ model: RestormerModel, _ values: [Float], _ input: NamedTensor, _ target: NamedTensor,
    _ kind: PixelLoss.Kind, _ recompute: Bool, on backend: B
  ) throws -> (loss: Float, input: [Float], parameters: [[Float]]) {
    let recording = model.record(
      n: input.shape[0], height: input.shape[2], width: input.shape[3], recompute: recompute)
    let graph = recording.graph
    let wanted = graph.placeholder(recording.output.shape)
    let loss = graph.pixelLoss(kind, recording.output, wanted).loss
    let seed = graph.apply(Fill(1, .scalar), [])[0]
    let found = try graph.gradients(
      from: [GradientSeed(loss, gradient: seed)], wrt: [recording.input] + recording.parameters
    ).map { try XCTUnwrap($0) }
    let parameters = try DeviceParameters(model, values: values, on: backend)
    let plan = try Plan(
      graph, keeping: [loss] + found, on: backend, binding: parameters.bindings(for: recording))
    try plan.write(input.values, to: recording.input)
    try plan.write(target.values, to: wanted)
    try plan.run()
    return (
      try plan.read(loss)[0], try plan.read(found[0]),
      try found.dropFirst().map { try plan.read($0) }
    )
  }
}
