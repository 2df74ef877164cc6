import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// Training with activations and their gradients stored as half, on kernels of a GPU's shape.
final class HalfTrainingTests: TrainingRunCase {
  private func half(_ name: String) -> TrainingOptions {
    var half = options(name)
    half.precision = .half
    return half
  }

  /// Numbers thousands of times as large as those of images, and the gradients of their squares:
  /// those do not fit at first.
  private func steep(_ name: String) throws -> TrainingOptions {
    var steep = half(name)
    steep.normalization = try ImageNormalization(checkingMean: [0], std: [2e-4])
    (steep.loss, steep.validation) = (.mse, nil)
    steep.stages = [.init(steps: 6, patch: 16, batch: 1)]
    return steep
  }

  private func newest(_ name: String) throws -> Checkpoint {
    let states = try names("\(folder)/\(name)/states", ending: ".state")
    return try Checkpoint(contentsOf: "\(folder)/\(name)/states/\(try XCTUnwrap(states.last))")
  }

  /// Both families of kernels, both norms, with and without bias.
  func testGradientsStayWithinTheBound() throws {
    var bias = ModelConfiguration.tiny
    (bias.bias, bias.normalization) = (true, .biasFree)
    for (backend, configuration) in [(try Device.gpuShaped(), bias), (try Device.shared(), .tiny)] {
      let weights = ModelWeights.initialized(RestormerModel(configuration), seed: 4)
      let error = try HalfGradients(weights, on: backend).error
      XCTAssertLessThan(error, HalfGradients.bound, "\(backend.traits.kind)")
      XCTAssertGreaterThan(error, 1e-5, "nothing was stored as half")
    }
  }

  func testGradientsOfTheBundledModelStayWithinTheBound() throws {
    try XCTSkipUnless(
      ProcessInfo.processInfo.environment["RESTORMER_SLOW_TESTS"] == "1",
      "RESTORMER_SLOW_TESTS=1 runs it")
    let error = try HalfGradients(BundledModel.standard().weights, on: Device.gpuShaped()).error
    XCTAssertLessThan(error, HalfGradients.bound)
  }

  /// Accumulated, clipped and averaged steps follow those of float.
  func testLossesAreNearThoseOfFloat() throws {
    var curves: [[(loss: Double, norm: Double)]] = []
    for precision in [PrecisionChoice.float, .half, .tf32] {
      let backend = try precision == .tf32 ? Device.matrixUnit() : Device.gpuShaped()
      var run = options("\(precision)")
      (run.precision, run.validation) = (precision, nil)
      run.stages = [.init(steps: 6, patch: 16, batch: 2)]
      var curve: [(loss: Double, norm: Double)] = []
      let trainer = try Trainer(run, experiments: folder, on: backend) { event in
        guard case .step(let report) = event else { return }
        curve.append((report.losses.l1, report.gradientNorm))
        XCTAssertEqual(report.lossScale, precision == .half ? 65_536 : nil)
      }
      XCTAssertEqual(try trainer.run { false }, .finished)
      curves.append(curve)
    }
    XCTAssertEqual(curves[0].count, 6)
    for curve in curves[1...] {
      for (float, other) in zip(curves[0], curve) {
        XCTAssertEqual(other.loss, float.loss, accuracy: 2e-3 * float.loss)
        XCTAssertEqual(other.norm, float.norm, accuracy: 2e-2 * float.norm)
        XCTAssertNotEqual(other.loss, float.loss)
      }
    }
  }

  /// Activations take half the memory, with and without recomputation, as is promised, in no more
  /// launches.
  func testActivationsTakeHalfTheMemory() throws {
    let device = try Device.gpuShaped()
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 4)
    let shape = Shape(1, 3, 64, 64)
    func need(_ precision: Precision, recompute: Bool) throws -> Int {
      try TrainingEngine.need(
        weights.model, shape: shape, optimizer: OptimizerOptions(), recompute: recompute,
        storing: precision, on: device
      ).total
    }
    let outlines = try [Precision.float, .half].map { precision in
      try TrainingEngine(
        weights.model, values: weights.values, loss: .l1, optimizer: OptimizerOptions(),
        storing: precision, on: device
      ).outline(shape)
    }
    let (float, half) = (outlines[0], outlines[1])
    XCTAssertLessThanOrEqual(half.nodes.launches, float.nodes.launches)
    let parameters = try need(.float, recompute: false) - float.memory.total
    XCTAssertEqual(try need(.half, recompute: false), parameters + half.memory.total)
    for recompute in [false, true] {
      let activations = try [Precision.float, .half].map {
        Double(try need($0, recompute: recompute) - parameters)
      }
      XCTAssertLessThan(activations[1], 0.58 * activations[0], "recompute \(recompute)")
    }
  }

  /// Steps whose gradient does not fit are skipped, in two lines for all of a search, and leave no
  /// trace but the smaller scale.
  func testOverflowSkipsStepsAndHalvesTheScale() throws {
    let device = try Device.gpuShaped()
    let notes = try run(steep("first"), stopAfter: 1, on: device)
    XCTAssertEqual(
      notes.filter { $0.contains("skipped") },
      ["step 1 skipped: its gradient does not fit half precision, loss scale 32768 now"])
    let skipped = try newest("first")
    XCTAssertEqual(skipped.progress.lossScale.factor, 32_768)
    XCTAssertEqual(skipped.progress.updates, 0)
    XCTAssertEqual(skipped.averaged, skipped.values)
    XCTAssertTrue((skipped.first + skipped.second).allSatisfy { $0 == 0 })

    let rest = try run(steep("whole"), on: device)
    let lines = rest.filter { $0.contains("loss scale") }
    let whole = try newest("whole")
    let (factor, updates) = (whole.progress.lossScale.factor, whole.progress.updates)
    XCTAssertEqual(lines.count, 2, "\(rest)")
    XCTAssertEqual(lines.last, "loss scale \(factor) after \(6 - updates) skipped steps")
    XCTAssertEqual(factor, 65_536 >> (6 - updates))
    XCTAssertEqual(whole.progress.lossScale.goodSteps, updates)
    XCTAssertGreaterThan(updates, 0)
    XCTAssertNotEqual(whole.values, skipped.values)
  }

  /// Stopped amid the search for the scale and after it.
  func testAResumedRunIsBitIdentical() throws {
    let device = try Device.gpuShaped()
    try run(steep("straight"), on: device)
    for stop in [1, 2, 2] { try run(steep("resumed"), stopAfter: stop, on: device) }
    let notes = try run(steep("resumed"), on: device)
    XCTAssertTrue(notes.contains("going on after step 5"), "\(notes)")
    XCTAssertEqual(try finalWeights("resumed"), try finalWeights("straight"))
    let states = try ["resumed", "straight"].map { try newest($0) }
    XCTAssertEqual(states[0].progress, states[1].progress)
    XCTAssertGreaterThan(states[0].progress.updates, 0)
    XCTAssertEqual(states[0].second, states[1].second)
  }

  /// A loss that is none is not a matter of the scale: the run ends as it does in float.
  func testALossThatIsNotFiniteEndsTheRun() throws {
    var broken = half("broken")
    (broken.stages, broken.validation) = ([.init(steps: 20, patch: 16, batch: 1)], nil)
    broken.normalization = try ImageNormalization(checkingMean: [0], std: [1e-38])
    let lines = try linesOfAFailure(broken)
    XCTAssertEqual(lines.filter { $0.contains("skipped: loss") }.count, 10)
    XCTAssertFalse(lines.contains { $0.contains("loss scale") })
  }

  /// Gradients that fit at no scale: once it can be no smaller, ten steps end the run.
  func testAGradientThatNeverFitsEndsTheRun() throws {
    var weights = ModelWeights.initialized(RestormerModel(options("").model), seed: 4)
    let output = try XCTUnwrap(weights.model.parameters.first { $0.name == "output.weight" })
    for index in output.offset..<output.offset + output.count { weights.values[index] *= 1e5 }
    var wild = try steep("wild")
    wild.pretrained = "\(folder)/wild.safetensors"
    (wild.stages, wild.accumulate) = ([.init(steps: 40, patch: 16, batch: 1)], 1)
    wild.checkpointInterval = 16
    weights.normalization = wild.normalization
    try weights.state.writeSafetensors(to: "\(folder)/wild.safetensors")
    let lines = try linesOfAFailure(wild)
    XCTAssertEqual(lines.filter { $0.contains("loss scale") }.count, 1, "\(lines)")
    XCTAssertEqual(lines.filter { $0.contains("skipped: loss") }.count, 10, "\(lines)")
    XCTAssertEqual(try newest("wild").progress.lossScale.factor, 1)
  }

  /// What a run says that ends because ten steps in a row had no finite gradient.
  private func linesOfAFailure(_ options: TrainingOptions) throws -> [String] {
    var notes: [String] = []
    let trainer = try Trainer(options, experiments: folder, on: Device.gpuShaped()) { event in
      if case .note(let text) = event { notes.append(text) }
    }
    XCTAssertThrowsError(try trainer.run { false }) {
      XCTAssertTrue("\($0)".contains("ten steps in a row"), "\($0)")
    }
    return notes
  }

  func testTheCPUBackendRefuses() throws {
    XCTAssertThrowsError(try run(half("host"))) {
      XCTAssertEqual(
        "\($0)",
        "precision half: the CPU backend stores float only, expected float or an OpenCL device")
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: "\(folder)/host"))
  }

  func testPromisedMemoryNamesHalf() throws {
    let lines = try [options("float"), half("half")].map {
      try run($0, stopAfter: 0, on: Device.gpuShaped()).filter { $0.contains(" needs ") }
    }
    XCTAssertEqual(lines.map(\.count), [1, 1])
    XCTAssertEqual(lines.map { $0[0].contains("with activations as half") }, [false, true])
  }
}

/// The loss scale by itself.
final class LossScaleTests: XCTestCase {
  func testItGrowsAfterManyGoodStepsWithinItsBounds() {
    var scale = LossScale()
    XCTAssertEqual(scale.factor, 65_536)
    for _ in 1..<LossScale.interval { scale.grow() }
    XCTAssertEqual(scale.factor, 65_536)
    scale.grow()
    XCTAssertEqual([scale.factor, scale.goodSteps], [131_072, 0])
    for _ in 0..<20 * LossScale.interval { scale.grow() }
    XCTAssertEqual(scale.factor, LossScale.bounds.upperBound)
    scale.grow()
    XCTAssertTrue(scale.halve())
    XCTAssertEqual([scale.factor, scale.goodSteps], [LossScale.bounds.upperBound / 2, 0])
    while scale.halve() {}
    XCTAssertEqual(scale.factor, 1)
  }

  func testItsTextIsExactAndChecked() throws {
    var scale = LossScale()
    XCTAssertTrue(scale.halve())
    scale.grow()
    XCTAssertEqual(scale.text, "32768 1")
    XCTAssertEqual(LossScale(scale.text), scale)
    for text in ["", "65536", "65535 3", "0 0", "-2 0", "33554432 0", "2 -1", "2 2000", "2 x"] {
      XCTAssertNil(LossScale(text), text)
    }
  }
}
