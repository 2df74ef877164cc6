import Basics
import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Checks that need a minute; `RESTORMER_SLOW_TESTS=1` runs them.
final class SlowTrainingTests: XCTestCase {
  override func setUpWithError() throws {
    guard ProcessInfo.processInfo.environment["RESTORMER_SLOW_TESTS"] == "1" else {
      throw XCTSkip("slow: set RESTORMER_SLOW_TESTS=1")
    }
  }

  /// From one seed both backends take the same fifty steps.
  func testBackendsFollowTheSameLossCurve() throws {
    let cpu = try losses(on: CPUBackend())
    let device = try losses(on: try Device.shared())
    for (step, pair) in zip(cpu, device).enumerated() {
      XCTAssertEqual(pair.0 / pair.1, 1, accuracy: 1e-3, "step \(step)")
    }
  }

  private func losses<B: Backend>(on backend: B) throws -> [Double] {
    let model = RestormerModel(.tiny)
    let engine = try TrainingEngine(
      model, values: ModelWeights.initialized(model, seed: 3).values, loss: .l1,
      optimizer: OptimizerOptions(), on: backend)
    let rate = LearningRate(base: 1e-3, schedule: .cosine(period: 50, minimum: 1e-6))
    var generator = SplitMix64(seed: 9)
    return try (1...50).map { step in
      let shape = Shape(2, 3, 32, 32)
      let target = (0..<shape.count).map { _ in Float(generator.next() % 2) }
      let input = target.indices.map { 0.5 * target[$0] + 0.5 * target[max(0, $0 - 1)] }
      let losses = try engine.backward(Batch(inputShape: shape, input: input, target: target))
      try engine.step(
        step, rate: rate.rate(step: step - 1), norm: try engine.gradientNorm(), clip: 1)
      return losses.loss
    }
  }
}
