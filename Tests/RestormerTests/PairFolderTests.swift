import Foundation
import Restormer
import XCTest

/// Pairs made into folders, and their record.
final class PairFolderTests: XCTestCase {
  private var scratch: ImageScratch!

  override func setUpWithError() throws {
    scratch = try ImageScratch()
    let pixels = (0..<9000).map { index in Float(index / 7 % 3) / 2 }
    try Image(width: 60, height: 50, channels: 3, pixels: pixels, bitDepth: 16).write(
      to: scratch.file("page.png"), format: .png)
  }

  override func tearDown() { scratch = nil }

  private let recipe = "document rain=5-20@0.5 jpeg=60-95@0.5 motion=3-9@0.9 sharp=0"

  /// Makes the pairs of the page in `folder`.
  @discardableResult
  private func make(
    _ folder: String, seed: UInt64 = 7, count: Int = 3, crop: Int? = 24, gray: Bool = false
  ) throws -> [DegradationManifest.Entry] {
    for part in ["input", "target"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file("\(folder)/\(part)"), withIntermediateDirectories: true)
    }
    let writer = PairFolderWriter(
      folder: scratch.file(folder), recipe: try DegradationRecipe(recipe), seed: seed, count: count,
      crop: crop, gray: gray)
    return try CleanPage.list(scratch.file("page.png")).flatMap {
      try writer.write($0, overwrite: true)
    }
  }

  private func bytes(_ file: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: scratch.file(file)))
  }

  func testTheSeedDecidesTheFiles() throws {
    XCTAssertEqual(try make("a"), try make("b"))
    try make("other", seed: 8)
    for name in ["page-v1", "page-v2", "page-v3"] {
      for part in ["input", "target"] {
        XCTAssertEqual(try bytes("a/\(part)/\(name).png"), try bytes("b/\(part)/\(name).png"))
      }
      XCTAssertNotEqual(try bytes("a/input/\(name).png"), try bytes("other/input/\(name).png"))
    }
    XCTAssertNotEqual(try bytes("a/input/page-v1.png"), try bytes("a/input/page-v2.png"))
  }

  /// More variants leave the first ones as they were.
  func testASetCanGrow() throws {
    try make("few", count: 1)
    try make("many", count: 12)
    XCTAssertEqual(try bytes("few/input/page.png"), try bytes("many/input/page-v01.png"))
    XCTAssertEqual(
      try FileManager.default.contentsOfDirectory(atPath: scratch.file("many/target")).count, 12)
  }

  func testPairsFitTogether() throws {
    try make("a", crop: nil)
    try make("gray", gray: true)
    for pair in try PairedFolder(root: scratch.file("a")).pairs {
      let (input, target) = (
        try Image(contentsOf: pair.input), try Image(contentsOf: pair.target)
      )
      XCTAssertEqual(
        [target.width, target.height, target.bitDepth, input.bitDepth], [60, 50, 16, 8])
      XCTAssertNotEqual(input.pixels, target.pixels)
    }
    XCTAssertEqual(try Image.header(of: scratch.file("gray/input/page-v1.png")).channels, 1)
    XCTAssertEqual(try Image.header(of: scratch.file("gray/target/page-v1.png")).width, 24)
  }

  /// From its line in the record alone a pair is made again, bit for bit.
  func testTheRecordIsEnough() throws {
    let page = try Image(contentsOf: scratch.file("page.png"))
    var manifest = try DegradationManifest(at: scratch.file("manifest.json"))
    manifest.add(try make("a", count: 9))
    try manifest.write()
    let pairs = try DegradationManifest(at: scratch.file("manifest.json")).pairs
    XCTAssertEqual(pairs, manifest.pairs)
    XCTAssertEqual(pairs.count, 9)
    for entry in pairs {
      let degradation = try XCTUnwrap(entry.degradation)
      let again = try degradation.pair(from: page, window: entry.window, channels: entry.channels)
      let image = Image(
        width: entry.width, height: entry.height, channels: entry.channels,
        pixels: again.input.pixels)
      XCTAssertEqual(
        Data(try image.encode(format: .png)), try bytes("a/input/\(entry.file)"), entry.file)
    }
  }

  func testTheRecordKeepsOtherPairs() throws {
    let path = scratch.file("manifest.json")
    var manifest = try DegradationManifest(at: path)
    manifest.add(try make("a", count: 2))
    try manifest.write()
    var second = try DegradationManifest(at: path)
    second.add(try make("a", seed: 9, count: 1) + make("a", seed: 9, count: 2).prefix(1))
    try second.write()
    let pairs = try DegradationManifest(at: path).pairs
    XCTAssertEqual(pairs.map(\.file), ["page-v1.png", "page-v2.png", "page.png"])
    XCTAssertEqual(pairs.map(\.seed), [9, 7, 9])
    _ = try scratch.write(Array("{}".utf8), "manifest.json")
    XCTAssertThrowsError(try DegradationManifest(at: path)) {
      XCTAssertTrue("\($0)".contains(path), "\($0)")
    }
  }
}
