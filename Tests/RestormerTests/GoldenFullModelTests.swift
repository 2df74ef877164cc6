import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// The paper's 26.1 M-parameter network with generated weights (golden case 05), on both backends.
final class GoldenFullModelTests: XCTestCase {
  private static let name = "05_full"

  func testGeneratorGivesTheRecordedValues() throws {
    let manifest = try Golden.manifest(Self.name)
    let check = try XCTUnwrap(manifest["check"] as? [String: [String: Any]])
    let specs = RestormerModel(.paper).parameters
    for (name, expected) in check {
      guard let spec = specs.first(where: { $0.name == name }) else { continue }
      let values = WeightGenerator(salt: "").values(name: name, shape: spec.officialShape)
      let hex = try XCTUnwrap(expected["value_float32_hex"] as? [String])
      for (value, text) in zip(values, hex) {
        XCTAssertEqual(value.bitPattern, UInt32(text.dropFirst(2), radix: 16), name)
      }
    }
  }

  func testForwardOnTheCPU() throws { try checkForward(on: CPUBackend()) }

  func testForwardOnOpenCL() throws { try checkForward(on: try Device.shared()) }

  private func checkForward<B: Backend>(on backend: B) throws {
    let manifest = try Golden.manifest(Self.name)
    let generator = WeightGenerator(salt: manifest["salt"] as? String ?? "")
    let model = RestormerModel(.paper)
    let parameters = try DeviceParameters(model, values: generator.weights(model), on: backend)
    let runs = try XCTUnwrap(manifest["runs"] as? [String: [String: Any]])
    for (key, run) in runs {
      let shape = try XCTUnwrap(run["input_shape"] as? [Int])
      let recording = model.record(n: shape[0], height: shape[2], width: shape[3])
      let plan = try Plan(
        recording.graph, keeping: [recording.output], on: backend,
        binding: parameters.bindings(for: recording))
      try plan.write(generator.values(name: "input", shape: shape), to: recording.input)
      try plan.run()
      let expected = try Golden.tensors(Self.name, "run_\(key).safetensors")
      let error = OpCheck.relativeError(
        try plan.read(recording.output), try XCTUnwrap(expected["output"]).values)
      XCTAssertLessThan(error, 2e-5, "\(key) on \(backend.name)")
    }
  }
}
