import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Training from clean pages alone.
final class DegradedTrainingTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "restormer-clean-\(UUID().uuidString)"
    var generator = SplitMix64(seed: 7)
    for part in ["clean", "held"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
    }
    for (name, width, channels) in [("clean/a", 70, 3), ("clean/b", 20, 1), ("held/c", 40, 3)] {
      let pixels = (0..<channels * width * 30).map { _ in Float(generator.next() % 2) }
      try Image(width: width, height: 30, channels: channels, pixels: pixels).write(
        to: "\(folder)/\(name).png", format: .png)
    }
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func options(_ name: String) throws -> TrainingOptions {
    var options = TrainingOptions()
    options.name = name
    (options.model.dim, options.model.blocks) = (4, [1, 1, 1, 1])
    (options.model.refinementBlocks, options.model.heads) = (1, [1, 2, 2, 4])
    options.data = DataFolders(input: "\(folder)/clean")
    options.data.degradation = try DegradationRecipe("document rain=2-6@0.5 jpeg=60-95@0.5")
    options.validation = DataFolders(target: "\(folder)/held")
    options.validation?.degradation = .document
    options.stages = [.init(steps: 3, patch: 16, batch: 2), .init(steps: 3, patch: 24, batch: 1)]
    (options.checkpointInterval, options.validationInterval) = (1, 3)
    return options
  }

  private func run(_ options: TrainingOptions, stopAfter stop: Int = .max) throws {
    var steps = 0
    let trainer = try Trainer(options, experiments: folder, on: CPUBackend()) { event in
      if case .step = event { steps += 1 }
    }
    _ = try trainer.run { steps >= stop }
  }

  func testAResumedRunIsBitIdentical() throws {
    try run(options("straight"))
    for stop in [1, 2, .max] { try run(options("resumed"), stopAfter: stop) }
    for file in [
      "metrics.csv", "models/best.safetensors", "models/final.safetensors", "samples/c.png",
    ] {
      let found = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/resumed/\(file)"))
      let expected = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/straight/\(file)"))
      XCTAssertEqual(found, expected, file)
    }
  }

  private func sampler(_ recipe: String, seed: UInt64 = 1) throws -> PatchSampler {
    var folders = DataFolders(target: "\(folder)/clean")
    folders.degradation = try DegradationRecipe(recipe)
    return PatchSampler(
      try folders.source(for: .tiny, cacheBytes: 1 << 20), model: .tiny, normalization: .none,
      seed: seed)
  }

  func testBatchesDependOnTheSeedAndTheirNumberAlone() throws {
    let patches = PatchOptions(size: 16, batch: 3)
    let straight = try sampler("document")
    let batches = try (0..<5).map { try straight.batch(index: $0, first: 3 * $0, patches).batch }
    let again = try sampler("document")
    for index in [4, 1] {
      let batch = try again.batch(index: index, first: 3 * index, patches).batch
      XCTAssertEqual(batch.input, batches[index].input)
      XCTAssertEqual(batch.target, batches[index].target)
    }
    XCTAssertNotEqual(batches[0].input, batches[0].target)
    let other = try sampler("document", seed: 2).batch(index: 0, first: 0, patches).batch
    XCTAssertNotEqual(other.input, batches[0].input)
    let clean = try sampler("none").batch(index: 0, first: 0, patches).batch
    XCTAssertEqual(clean.input, clean.target)
  }

  /// Pages smaller than the patch are mirrored, gray ones become colour.
  func testPagesOfEverySizeGiveWholePatches() throws {
    for index in 0..<4 {
      let batch = try sampler("document").batch(
        index: index, first: index, PatchOptions(size: 64, batch: 1)
      ).batch
      XCTAssertEqual(batch.inputShape, Shape(1, 3, 64, 64))
      XCTAssertTrue(batch.input.allSatisfy { (0...1).contains($0) })
    }
  }

  /// A page of 600 x 600 pixels holds 6 patches of an epoch.
  func testAnEpochShowsThePagesByTheirArea() throws {
    try Image(width: 600, height: 600, channels: 1, pixels: .init(repeating: 1, count: 360_000))
      .write(to: "\(folder)/clean/large.png", format: .png)
    var folders = DataFolders(input: "\(folder)/clean")
    folders.degradation = .document
    XCTAssertEqual(try folders.source(for: .tiny, cacheBytes: 0).count, 8)
  }

  /// Empty paper teaches little: a window with print in it is looked for.
  func testWindowsWithPrintArePreferred() {
    var pixels = [Float](repeating: 1, count: 400 * 100)
    for row in 0..<100 { for column in 0..<200 { pixels[row * 400 + column] = Float(column % 2) } }
    let page = Image(width: 400, height: 100, channels: 1, pixels: pixels)
    var generator = SplitMix64(seed: 11)
    let printed = (0..<400).filter { _ in
      PageWindow(size: 32, in: page, using: &generator).x < 200
    }
    XCTAssertGreaterThan(printed.count, 350)
    XCTAssertLessThan(printed.count, 400)
  }

  private func reread(_ text: String) throws -> TrainingOptions {
    let path = "\(folder)/options.yml"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return try TrainingOptions(contentsOf: path)
  }

  func testOptionsFilesNameTheRecipe() throws {
    let written = try options("written")
    XCTAssertEqual(try reread(written.yaml), written)
    let read = try reread(
      """
      datasets:
        train:
          dataroot_gt: clean
          degrade: document noise=1-4
        val:
          dataroot_gt: held
      """)
    XCTAssertEqual(read.data.degradation, try DegradationRecipe("document noise=1-4"))
    XCTAssertEqual(read.validation?.degradation, read.data.degradation)
    for (line, part) in [
      ("degrade: page", "datasets.train.degrade: recipe 'page'"),
      ("degrade: document motion=9-3", "range from low to high"),
      ("degrade: document\n    dataroot_lq: blurred", "leave dataroot_lq away"),
      ("degrade: document\n    sigma_type: constant\n    sigma_range: 5", "exclude each other"),
    ] {
      let text = "datasets:\n  train:\n    dataroot_gt: clean\n    \(line)\n"
      XCTAssertThrowsError(try reread(text)) { XCTAssertTrue("\($0)".contains(part), "\($0)") }
    }
  }
}
