import Foundation
import Kernels
import Restormer
import XCTest

/// What a validation scores, and which scores a run compares.
final class ValidationTests: XCTestCase {
  private var scratch: ImageScratch!

  override func setUpWithError() throws {
    scratch = try ImageScratch()
    try writePairs("data")
  }

  override func tearDown() { scratch = nil }

  /// Five gray pairs as RGB files: stripes, blurred and sharp.
  private func writePairs(_ folder: String, brightness: Float = 1) throws {
    try makeFolders(folder)
    for index in 0..<3 {
      let sharp = (0..<24 * 32).map { Float($0 / (index + 2) % 2) * brightness }
      let blurred = sharp.indices.map { 0.5 * sharp[$0] + 0.5 * sharp[max(0, $0 - 1)] }
      for (part, plane) in [("input", blurred), ("target", sharp)] {
        try Image(width: 32, height: 24, channels: 3, pixels: plane + plane + plane).write(
          to: scratch.file("\(folder)/\(part)/\(index).png"), format: .png)
      }
    }
  }

  private func makeFolders(_ folder: String) throws {
    for part in ["input", "target"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file("\(folder)/\(part)"), withIntermediateDirectories: true)
    }
  }

  /// The pairs of `data` in files of another form.
  private func writeAgain(_ folder: String, _ change: (inout Image) -> Void) throws {
    try makeFolders(folder)
    for part in ["input", "target"] {
      for index in 0..<3 {
        var image = try Image(contentsOf: scratch.file("data/\(part)/\(index).png"))
        change(&image)
        try image.write(to: scratch.file("\(folder)/\(part)/\(index).png"), format: .png)
      }
    }
  }

  /// The pairs of `data`, whose pixels have few values, as numbers of colours in a table.
  private func writePalettes(_ folder: String) throws {
    try makeFolders(folder)
    for part in ["input", "target"] {
      for index in 0..<3 {
        let image = try Image(contentsOf: scratch.file("data/\(part)/\(index).png"))
        let levels = image.plane(0).map { UInt8(($0 * 255).rounded()) }
        let table = Set(levels).sorted()
        var builder = ImagePNGBuilder(
          width: image.width, height: image.height, bitDepth: 8, colorType: 3
        ) { x, y, _ in table.firstIndex(of: levels[y * image.width + x]) ?? 0 }
        builder.before = [("PLTE", table.flatMap { [$0, $0, $0] })]
        _ = try scratch.write(builder.bytes, "\(folder)/\(part)/\(index).png")
      }
    }
  }

  /// A validation takes whole pictures: where that is more than a step takes, the promise says so.
  func testThePromiseOfMemoryCountsTheValidation() throws {
    try makeFolders("large")
    for part in ["input", "target"] {
      try Image(
        width: 320, height: 240, channels: 3, pixels: [Float](repeating: 0.5, count: 3 * 320 * 240)
      ).write(to: scratch.file("large/\(part)/0.png"), format: .png)
    }
    for (val, isMore) in [("data", false), ("large", true)] {
      let notes = try run(options("promise-\(val)", val: val), stopAfter: 1).notes
      let line = try XCTUnwrap(notes.first { $0.contains("; this device offers ") })
      XCTAssertEqual(line.contains(", validating "), isMore, line)
    }
  }

  private func options(_ name: String, val: String) -> TrainingOptions {
    var options = TrainingOptions()
    options.name = name
    options.model.dim = 4
    options.model.blocks = [1, 1, 1, 1]
    options.model.refinementBlocks = 1
    options.model.heads = [1, 2, 2, 4]
    options.data = DataFolders(input: scratch.file("data"))
    options.validation = DataFolders(input: scratch.file(val))
    options.stages = [.init(steps: 4, patch: 16, batch: 1)]
    options.rate = LearningRate(base: 1e-2)
    options.validationInterval = 2
    return options
  }

  /// Runs until `stop` steps were done in this process; gives notes, scores, and the steps of the
  /// best.
  @discardableResult
  private func run(
    _ options: TrainingOptions, stopAfter stop: Int = .max,
    meanwhile: @escaping (Int) -> Void = { _ in }
  ) throws -> (notes: [String], scores: [Scores], best: [Int]) {
    var (notes, scores, best, steps) = ([String](), [Scores](), [Int](), 0)
    let trainer = try Trainer(options, experiments: scratch.path, on: CPUBackend()) { event in
      switch event {
      case .note(let text): notes.append(text)
      case .validation(let step, let found, let isBest):
        scores.append(found)
        if isBest { best.append(step) }
      case .step(let report):
        steps += 1
        meanwhile(report.step)
      default: break
      }
    }
    _ = try trainer.run { steps >= stop }
    return (notes, scores, best)
  }

  /// The same pixels give the same scores, whatever files they lie in: all are validated as the
  /// network sees them.
  func testScoresDoNotDependOnTheEncoding() throws {
    try writeAgain("gray") { image in
      (image.pixels, image.channels) = (Array(image.plane(0)), 1)
    }
    try writeAgain("deep") { $0.bitDepth = 16 }
    try writeAgain("opaque") { image in
      image.alpha = [Float](repeating: 1, count: image.width * image.height)
    }
    try writePalettes("palette")
    for channels in [3, 1] {
      let scores = try ["data", "gray", "deep", "opaque", "palette"].map { val in
        var options = options("\(val)-\(channels)", val: val)
        (options.model.inputChannels, options.model.outputChannels) = (channels, channels)
        return try run(options).scores
      }
      XCTAssertEqual(scores[0].count, 2)
      // A sum of three equal products is not rounded as their weighted sum.
      for other in scores[1...] {
        for (found, expected) in zip(other, scores[0]) {
          XCTAssertEqual(found.psnr, expected.psnr, accuracy: 1e-3, "\(channels) channels")
        }
      }
    }
  }

  /// Brighter pages have worse scores: the old set's best must not outlive it.
  func testAnotherSetStartsTheBestAnew() throws {
    try writePairs("dark", brightness: 0.1)
    let first = try run(options("moved", val: "dark"), stopAfter: 3)
    let second = try run(options("moved", val: "data"))
    XCTAssertLessThan(
      try XCTUnwrap(second.scores.first).psnr, try XCTUnwrap(first.scores.first).psnr)
    XCTAssertTrue(second.notes.contains { $0.hasPrefix("another validation set") }, "\(second)")
    XCTAssertEqual(second.best, [4])
  }

  /// The same files elsewhere are the same set.
  func testAMovedSetIsTheSame() throws {
    try run(options("same", val: "data"), stopAfter: 3)
    try FileManager.default.copyItem(atPath: scratch.file("data"), toPath: scratch.file("copy"))
    let second = try run(options("same", val: "copy"))
    XCTAssertFalse(second.notes.contains { $0.hasPrefix("another validation set") }, "\(second)")
  }

  /// A mean over fewer pairs is no better for it, and the reader is told what became of the file.
  func testABrokenImageLeavesTheBestAsItIs() throws {
    try FileManager.default.copyItem(atPath: scratch.file("data"), toPath: scratch.file("held"))
    let broken = scratch.file("held/input/0.png")
    let found = try run(options("broken", val: "held")) { step in
      if step == 3 { try? Data("none".utf8).write(to: URL(fileURLWithPath: broken)) }
    }
    XCTAssertEqual(found.best, [2])
    XCTAssertTrue(found.notes.contains { $0.hasPrefix("2 pairs were scored") }, "\(found.notes)")
    let note = found.notes.first { $0.hasPrefix(broken) } ?? ""
    XCTAssertTrue(note.contains("left out of the validation"), "\(found.notes)")
  }
}
