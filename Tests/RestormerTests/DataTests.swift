import Basics
import Foundation
import Kernels
import Restormer
import XCTest

/// Pairing of files, patches and their variations.
final class DataTests: XCTestCase {
  private var folder = ""

  override func setUp() { folder = NSTemporaryDirectory() + "restormer-data-\(UUID().uuidString)" }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  /// An image whose pixels all differ: channel, row and column can be read from the value.
  @discardableResult
  private func write(
    _ name: String, width: Int = 20, height: Int = 14, channels: Int = 3
  ) throws -> Image {
    let path = "\(folder)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let pixels = (0..<channels * width * height).map { Float($0) / 65535 }
    let image = Image(
      width: width, height: height, channels: channels, pixels: pixels, bitDepth: 16)
    try image.write(to: path, format: .png)
    return image
  }

  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }

  func testMissingPartnersAndUnequalSizesAreNamed() throws {
    for name in ["a", "b"] { try write("input/\(name).png") }
    try write("target/a.png")
    XCTAssertTrue(message { _ = try PairedFolder(root: folder) }.contains("input/b.png"))
    try write("target/b.png", width: 21)
    let text = message { _ = try PairedFolder(root: folder) }
    XCTAssertTrue(text.contains("b.png") && text.contains("size"), text)
    try write("target/b.png")
    XCTAssertEqual(try PairedFolder(root: folder).pairs.count, 2)
    try write("target/c.png")
    XCTAssertTrue(message { _ = try PairedFolder(root: folder) }.contains("target/c.png"))
    XCTAssertTrue(
      message { _ = try PairedFolder(root: "\(folder)/none") }
        .hasSuffix("/none: the folder cannot be read: No such file or directory"))
    XCTAssertTrue(message { _ = try PairedFolder(root: "\(folder)/target") }.contains("'input'"))
  }

  func testNameTemplatesAndRightViews() throws {
    for part in ["left", "right"] { try write("\(part)/7_blur.png") }
    try write("clean/7.png")
    var folders = DataFolders(input: "\(folder)/left", target: "\(folder)/clean")
    XCTAssertTrue(message { _ = try folders.pairs() }.contains("7_blur.png"))
    (folders.nameTemplate, folders.right) = ("{}_blur", "\(folder)/right")
    let pair = try XCTUnwrap(try folders.pairs().pairs.first)
    XCTAssertTrue(pair.input.hasSuffix("left/7_blur.png"))
    XCTAssertEqual(pair.right, "\(folder)/right/7_blur.png")
    XCTAssertTrue(pair.target.hasSuffix("clean/7.png"))
    try write("right/7_blur.png", height: 15)
    XCTAssertTrue(message { _ = try folders.pairs() }.contains("size"))
  }

  func testDualPixelBatchesHaveSixChannels() throws {
    for part in ["left", "right", "clean"] { try write("\(part)/1.png") }
    var folders = DataFolders(input: "\(folder)/left", target: "\(folder)/clean")
    folders.right = "\(folder)/right"
    var model = ModelConfiguration.tiny
    (model.inputChannels, model.dualPixel) = (6, true)
    let batch = try sampler(folders, model: model).batch(
      index: 0, first: 0, PatchOptions(size: 8, batch: 2)
    ).batch
    XCTAssertEqual(batch.inputShape, Shape(2, 6, 8, 8))
    // Left, right and target are the same pictures here, so the cut and the turn must be the same
    // too.
    for item in 0..<2 {
      let target = Array(batch.target[item * 192..<(item + 1) * 192])
      XCTAssertEqual(Array(batch.input[item * 384..<item * 384 + 192]), target)
      XCTAssertEqual(Array(batch.input[item * 384 + 192..<(item + 1) * 384]), target)
    }
  }

  private func sampler(
    _ folders: DataFolders, model: ModelConfiguration = .tiny,
    normalization: ImageNormalization = .none, seed: UInt64 = 1
  ) throws -> PatchSampler {
    let source = FilePairSource(
      try folders.pairs(), noise: folders.noise, cacheBytes: 1 << 20)
    return PatchSampler(source, model: model, normalization: normalization, seed: seed)
  }

  private func plain() throws -> DataFolders {
    for name in ["a", "b", "c"] {
      for part in ["input", "target"] { try write("\(part)/\(name).png") }
    }
    return DataFolders(input: folder)
  }

  func testBatchesDependOnTheSeedAndTheirNumberAlone() throws {
    let folders = try plain()
    let options = PatchOptions(size: 8, batch: 3)
    let straight = try sampler(folders)
    let batches = try (0..<6).map { try straight.batch(index: $0, first: 3 * $0, options).batch }
    let again = try sampler(folders)
    for index in [4, 1, 5] {
      let batch = try again.batch(index: index, first: 3 * index, options).batch
      XCTAssertEqual(batch.input, batches[index].input)
      XCTAssertEqual(batch.target, batches[index].target)
    }
    let loader = BatchLoader(straight, threads: 3)
    let requests = (0..<6).map { BatchLoader.Request(index: $0, first: 3 * $0, options: options) }
    loader.prepare(requests)
    for (request, batch) in zip(requests, batches) {
      XCTAssertEqual(try loader.batch(request).batch.input, batch.input)
    }
    let other = try sampler(folders, seed: 2).batch(index: 0, first: 0, options).batch
    XCTAssertNotEqual(other.input, batches[0].input)
  }

  func testSmallImagesAreMirroredUpToThePatch() throws {
    let image = try write("input/s.png", width: 5, height: 3)
    try write("target/s.png", width: 5, height: 3)
    var options = PatchOptions(size: 16, batch: 1)
    options.augment = false
    let batch = try sampler(DataFolders(input: folder)).batch(index: 0, first: 0, options).batch
    let (columns, rows) = ([0, 1, 2, 3, 4, 3, 2, 1, 0, 1], [0, 1, 2, 1, 0, 1])
    for (y, row) in rows.enumerated() {
      for (x, column) in columns.enumerated() {
        XCTAssertEqual(batch.input[16 * y + x], image.pixels[5 * row + column], accuracy: 1e-7)
      }
    }
    XCTAssertEqual(batch.input, batch.target)
  }

  /// All eight views turn up, and input and target always turn alike.
  func testFlipsAndRotationsAreAligned() throws {
    let folders = try plain()
    let sampler = try sampler(folders)
    var corners: Set<[Bool]> = []
    for index in 0..<80 {
      let batch = try sampler.batch(index: index, first: index, PatchOptions(size: 8, batch: 1))
        .batch
      XCTAssertEqual(batch.input, batch.target)
      let (first, right, below) = (batch.input[0], batch.input[1], batch.input[8])
      corners.insert([right > first, below > first, abs(right - first) < abs(below - first)])
    }
    XCTAssertEqual(corners.count, 8)
  }

  func testNormalisationIsPerChannel() throws {
    let folders = try plain()
    let normalization = try ImageNormalization(
      checkingMean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2])
    let options = PatchOptions(size: 8, batch: 2)
    let raw = try sampler(folders).batch(index: 3, first: 0, options).batch
    let scaled = try sampler(folders, normalization: normalization).batch(
      index: 3, first: 0, options
    ).batch
    for index in raw.input.indices {
      let channel = index / 64 % 3
      let expected =
        (raw.input[index] - normalization.mean[channel]) / normalization.std[channel]
      XCTAssertEqual(scaled.input[index], expected, accuracy: 1e-6)
    }
  }

  func testNoiseHasItsDeviationAndLeavesTheTarget() throws {
    try write("clean/n.png", width: 100, height: 100)
    var folders = DataFolders(target: "\(folder)/clean")
    folders.noise = try GaussianNoise(.constant(25))
    let batch = try sampler(folders).batch(index: 0, first: 0, PatchOptions(size: 96, batch: 1))
      .batch
    let noise = zip(batch.input, batch.target).map { Double($0 - $1) }
    let mean = noise.reduce(0, +) / Double(noise.count)
    let variance = noise.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(noise.count)
    XCTAssertEqual(mean, 0, accuracy: 0.002)
    XCTAssertEqual(variance.squareRoot() * 255, 25, accuracy: 0.6)
    XCTAssertTrue(message { _ = try GaussianNoise(.choice([])) }.contains("deviation"))
    XCTAssertTrue(message { _ = try GaussianNoise(.random(from: 5, to: 1)) }.contains("range"))
  }

  /// Images that are kept between batches are those of the files to the last bit.
  func testKeptImagesAreTheFiles() throws {
    for (name, bits) in [("a", 8), ("b", 16)] {
      for part in ["input", "target"] {
        let pixels = (0..<3 * 20 * 14).map { Float($0 % 256) / 255 }
        let image = Image(width: 20, height: 14, channels: 3, pixels: pixels, bitDepth: bits)
        try write("\(part)/\(name).png")
        try image.write(to: "\(folder)/\(part)/\(name).png", format: .png)
      }
    }
    let pairs = try DataFolders(input: folder).pairs()
    let sources = [0, 1 << 20].map { FilePairSource(pairs, cacheBytes: $0) }
    XCTAssertEqual(sources.map(\.cacheBytes), [0, 2 * 3 * 20 * 14 * (1 + 4)])
    let samplers = sources.map {
      PatchSampler($0, model: .tiny, normalization: .none, seed: 1)
    }
    for index in 0..<6 {
      let batches = try samplers.map {
        try $0.batch(index: index, first: 2 * index, PatchOptions(size: 8, batch: 2)).batch
      }
      XCTAssertEqual(batches[0].input, batches[1].input)
      XCTAssertEqual(batches[0].target, batches[1].target)
    }
  }

  /// Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)); draws end for every `a`.
  func testMixupSharesAreDrawnFromBeta() {
    var generator = SplitMix64(seed: 3)
    for beta in [0.001, 0.2, 1, 1.2, 30, 1000] {
      let shares = (0..<4000).map { _ in Mixup.share(beta, &generator) }
      XCTAssertTrue(shares.allSatisfy((0...1).contains), "\(beta)")
      let mean = shares.reduce(0, +) / 4000
      let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4000
      let expected = 1 / (4 * (2 * beta + 1))
      XCTAssertEqual(mean, 0.5, accuracy: 4 * (expected / 4000).squareRoot(), "\(beta)")
      XCTAssertEqual(variance / expected, 1, accuracy: 0.1, "\(beta)")
    }
  }

  /// Mixed pairs stay pairs: one share for input and target; with `identity` about half stay
  /// unmixed.
  func testMixupMixesInputAndTargetAlike() throws {
    let folders = try plain()
    var options = PatchOptions(size: 8, batch: 3)
    let plainSampler = try sampler(folders)
    options.mixup = Mixup()
    for index in 0..<5 {
      let batch = try plainSampler.batch(index: index, first: 3 * index, options).batch
      XCTAssertEqual(batch.input, batch.target)
    }
    var unmixed = options
    unmixed.mixup = nil
    options.mixup = Mixup(identity: true)
    let same = try (0..<40).filter { index in
      try plainSampler.batch(index: index, first: 0, options).batch.input
        == plainSampler.batch(index: index, first: 0, unmixed).batch.input
    }
    XCTAssertTrue((10..<32).contains(same.count), "\(same.count)")
  }

  func testGrayAndColourAreConverted() throws {
    try write("input/g.png", channels: 1)
    let colour = try write("target/g.png", channels: 3)
    var options = PatchOptions(size: 8, batch: 1)
    options.augment = false
    var gray = ModelConfiguration.tiny
    (gray.inputChannels, gray.outputChannels) = (1, 1)
    let batch = try sampler(DataFolders(input: folder), model: gray).batch(
      index: 0, first: 0, options
    ).batch
    let (plane, first) = (20 * 14, batch.input[0])
    let index = Int((first * 65535).rounded())
    let expected =
      0.299 * colour.pixels[index] + 0.587 * colour.pixels[plane + index]
      + 0.114 * colour.pixels[2 * plane + index]
    XCTAssertEqual(batch.target[0], expected, accuracy: 1e-6)
    XCTAssertEqual(batch.target.count, 64)
  }
}
