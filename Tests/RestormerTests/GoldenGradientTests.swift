import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Losses and every gradient of whole networks against the official implementation (golden cases 01, 02 and 05), with and
/// without recomputation, on both backends.
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
      let (input, target) = (try XCTUnwrap(io["input"]), try XCTUnwrap(io["target"]))
      let expected = try Golden.tensors(name, "grads_l1.safetensors")
      let results = try [false, true].map { recompute in
        try gradients(weights.model, weights.values, input, target, recompute, on: backend)
      }
      let (loss, inputGradient, found) = results[0]
      XCTAssertEqual(found, results[1].parameters, "\(name): recomputation changes gradients")
      XCTAssertEqual(loss, try XCTUnwrap(io["loss_l1"]).values[0], accuracy: 1e-5)
      XCTAssertLessThan(
        OpCheck.relativeError(inputGradient, try XCTUnwrap(io["grad_input_l1"]).values), 5e-4, name)
      var compared = 0
      for (spec, values) in zip(weights.model.parameters, found) {
        guard let recorded = expected[spec.name] else { continue }
        let error = OpCheck.relativeError(values, recorded.values)
        XCTAssertLessThan(error, 5e-4, "\(name) \(spec.name) on \(backend.name)")
        compared += 1
      }
      XCTAssertEqual(compared, expected.tensors.count, name)
      XCTAssertGreaterThan(compared, weights.model.parameters.count / 2, name)
    }
  }

  private func checkPaper<B: Backend>(on backend: B) throws {
    let manifest = try Golden.manifest("05_full")
    let generator = WeightGenerator(salt: manifest["salt"] as? String ?? "")
    let model = RestormerModel(.paper)
    let shape = [1, 3, 64, 64]
    func image(_ name: String) -> NamedTensor {
      NamedTensor(name: name, shape: shape, values: generator.values(name: name, shape: shape))
    }
    let (loss, inputGradient, found) = try gradients(
      model, generator.weights(model), image("input"), image("target"), false, on: backend)
    let expected = try Golden.tensors("05_full", "run_1x3x64x64.safetensors")
    XCTAssertEqual(loss, try XCTUnwrap(expected["loss_l1"]).values[0], accuracy: 1e-4)
    XCTAssertLessThan(
      OpCheck.relativeError(inputGradient, try XCTUnwrap(expected["grad_input"]).values), 5e-4)
    for (spec, values) in zip(model.parameters, found) {
      guard let gradient = expected["grad." + spec.name] else { continue }
      let error = OpCheck.relativeError(values, gradient.values)
      XCTAssertLessThan(error, 5e-4, "\(spec.name) on \(backend.name)")
    }
  }

  private func gradients<B: Backend>(
    _ model: RestormerModel, _ values: [Float], _ input: NamedTensor, _ target: NamedTensor,
    _ recompute: Bool, on backend: B
  ) throws -> (loss: Float, input: [Float], parameters: [[Float]]) {
    let recording = model.record(
      n: input.shape[0], height: input.shape[2], width: input.shape[3], recompute: recompute)
    let graph = recording.graph
    let wanted = graph.placeholder(recording.output.shape)
    let loss = graph.l1Loss(recording.output, wanted)
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
