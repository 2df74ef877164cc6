import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Whole runs of a very small network on generated pairs, in a folder of their own.
class TrainingRunCase: XCTestCase {
  private(set) var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "restormer-run-\(UUID().uuidString)"
    var generator = SplitMix64(seed: 5)
    for part in ["input", "target"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/data/\(part)", withIntermediateDirectories: true)
    }
    for index in 0..<5 {
      let sharp = (0..<3 * 24 * 32).map { _ in Float(generator.next() % 2) }
      let blurred = sharp.indices.map { 0.5 * sharp[$0] + 0.5 * sharp[max(0, $0 - 1)] }
      for (part, pixels) in [("input", blurred), ("target", sharp)] {
        try Image(width: 32, height: 24, channels: 3, pixels: pixels).write(
          to: "\(folder)/data/\(part)/\(index).png", format: .png)
      }
    }
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  func options(_ name: String) -> TrainingOptions {
    var options = TrainingOptions()
    options.name = name
    options.model.dim = 4
    options.model.blocks = [1, 1, 1, 1]
    options.model.refinementBlocks = 1
    options.model.heads = [1, 2, 2, 4]
    options.data = DataFolders(input: "\(folder)/data")
    options.validation = options.data
    options.stages = [.init(steps: 4, patch: 16, batch: 2), .init(steps: 4, patch: 24, batch: 1)]
    options.rate = LearningRate(base: 1e-3, schedule: .cosine(period: 8, minimum: 1e-6), warmUp: 2)
    (options.averageDecay, options.clip, options.mixup) = (0.9, 0.5, Mixup(identity: true))
    (options.checkpointInterval, options.validationInterval) = (1, 4)
    options.accumulate = 2
    return options
  }

  /// Runs until `stop` steps were done in this process; returns the notes.
  @discardableResult
  func run(
    _ options: TrainingOptions, stopAfter stop: Int = .max,
    on backend: some Backend = CPUBackend()
  ) throws -> [String] {
    var (notes, steps) = ([String](), 0)
    let trainer = try Trainer(options, experiments: folder, on: backend) { event in
      if case .note(let text) = event { notes.append(text) }
      if case .step = event { steps += 1 }
    }
    _ = try trainer.run { steps >= stop }
    return notes
  }

  func finalWeights(_ name: String) throws -> [UInt32] {
    let state = try StateDict(contentsOf: "\(folder)/\(name)/models/final.safetensors")
    return state.tensors.flatMap { $0.values.map(\.bitPattern) }
  }

  func weights(_ name: String, _ kind: String) throws -> [Float] {
    let state = try StateDict(contentsOf: "\(folder)/\(name)/models/\(kind).safetensors")
    return state.tensors.flatMap(\.values)
  }

  func file(_ path: String) -> URL { URL(fileURLWithPath: path) }

  func names(_ folder: String, ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      .filter { $0.hasSuffix(ending) }
  }
}
