import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Twenty optimizer steps four ways against PyTorch (golden case 04): loss and gradient norm of
/// every step, final weights.
final class TrainingTrajectoryTests: XCTestCase {
  private static let name = "04_trajectory"

  func testOnTheCPU() throws { try check(on: CPUBackend()) }

  func testOnOpenCL() throws { try check(on: try Device.shared()) }

  /// A run with half the batch accumulated twice takes the same steps as one with the whole batch.
  func testAccumulationEqualsALargerBatch() throws {
    let (batch, weights) = try start()
    let (half, count) = (batch.input.count / 2, batch.inputShape)
    let shape = Shape(count.n / 2, count.c, count.h, count.w)
    let parts = [0, 1].map { part in
      Batch(
        inputShape: shape, input: Array(batch.input[part * half..<(part + 1) * half]),
        target: Array(batch.target[part * half..<(part + 1) * half]))
    }
    let whole = try engine(weights, .l1, OptimizerOptions(), on: CPUBackend())
    let split = try TrainingEngine(
      weights.model, values: weights.values, loss: .l1, optimizer: OptimizerOptions(),
      accumulating: true, recompute: true, on: CPUBackend())
    for step in 1...3 {
      let expected = try whole.backward(batch)
      try whole.step(step, rate: 3e-4, norm: try whole.gradientNorm(), clip: nil)
      let found = try parts.map { try split.backward($0).loss }
      XCTAssertEqual((found[0] + found[1]) / 2, expected.loss, accuracy: 1e-6)
      try split.step(
        step, rate: 3e-4, batches: 2, norm: try split.gradientNorm(batches: 2), clip: nil)
    }
    XCTAssertLessThan(OpCheck.relativeError(try split.values(), try whole.values()), 1e-5)
  }

  private func start() throws -> (batch: Batch, weights: ModelWeights) {
    let file = try Golden.tensors(Self.name, "batch.safetensors")
    let (input, target) = (try XCTUnwrap(file["input"]), try XCTUnwrap(file["target"]))
    let s = input.shape
    return (
      Batch(inputShape: Shape(s[0], s[1], s[2], s[3]), input: input.values, target: target.values),
      try ModelWeights(Golden.tensors(Self.name, "initial_weights.safetensors"))
    )
  }

  private func engine<B: Backend>(
    _ weights: ModelWeights, _ loss: LossKind, _ options: OptimizerOptions, on backend: B
  ) throws -> TrainingEngine<B> {
    try TrainingEngine(
      weights.model, values: weights.values, loss: loss, optimizer: options, on: backend)
  }

  private func check<B: Backend>(on backend: B) throws {
    let (batch, weights) = try start()
    let manifest = try Golden.manifest(Self.name)
    let runs = try XCTUnwrap(manifest["runs"] as? [String: [String: Any]])
    for (run, description) in runs {
      let optimizer = try XCTUnwrap(description["optimizer"] as? [String: Any])
      var options = OptimizerOptions()
      if optimizer["type"] as? String == "SGD" { (options.kind, options.weightDecay) = (.sgd, 0) }
      let loss: LossKind = description["loss"] as? String == "MSE" ? .mse : .l1
      let clip = description["clip_grad_norm"] as? Double
      let engine = try engine(weights, loss, options, on: backend)
      for (index, row) in try rows(run).enumerated() {
        let losses = try engine.backward(batch)
        let norm = try engine.gradientNorm()
        XCTAssertEqual(losses.loss / row.loss, 1, accuracy: 1e-4, "\(run) step \(index)")
        XCTAssertEqual(norm / row.norm, 1, accuracy: 1e-3, "\(run) step \(index)")
        try engine.step(index + 1, rate: row.rate, norm: norm, clip: clip)
        if index == 0, Golden.holds(Self.name, "\(run)_weights_step1.safetensors") {
          try compare(try engine.values(), from: weights, with: "\(run)_weights_step1")
        }
      }
      try compare(try engine.values(), from: weights, with: "\(run)_weights_final")
    }
  }

  /// Compares by how far the weights moved: they hardly leave their start in twenty steps.
  private func compare(
    _ values: [Float], from start: ModelWeights, with recording: String
  ) throws {
    let expected = try ModelWeights(Golden.tensors(Self.name, recording + ".safetensors"))
    XCTAssertLessThan(OpCheck.relativeError(values, expected.values), 2e-5, recording)
    let moved = zip(values, start.values).map { $0 - $1 }
    let wanted = zip(expected.values, start.values).map { $0 - $1 }
    XCTAssertLessThan(OpCheck.relativeError(moved, wanted), 5e-3, recording)
  }

  private func rows(_ run: String) throws -> [(rate: Double, loss: Double, norm: Double)] {
    let text = try String(
      contentsOf: Golden.file(Self.name, "\(run)_steps.csv"), encoding: .utf8)
    let lines = text.split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",").map(String.init)
    }
    let header = lines[0]
    func column(_ part: String) throws -> Int {
      try XCTUnwrap(header.firstIndex { $0.contains(part) }, "\(header)")
    }
    let (rate, loss, norm) = (try column("lr"), try column("loss"), try column("norm"))
    return try lines.dropFirst().map {
      (
        try XCTUnwrap(Double($0[rate])), try XCTUnwrap(Double($0[loss])),
        try XCTUnwrap(Double($0[norm]))
      )
    }
  }
}
