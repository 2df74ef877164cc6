import Kernels
import Restormer
import XCTest

/// What a viewer sees of a transparent picture is what is restored.
final class TransparencyTests: XCTestCase {
  /// A network that returns its input, or one that changes it.
  private func restorer(changing: Bool) throws -> Restorer<CPUBackend> {
    let model = RestormerModel(.tiny)
    let weights =
      changing ? ModelWeights.initialized(model, seed: 3) : ModelWeights(model: model)
    return try Restorer(weights, on: CPUBackend())
  }

  private func values(_ count: Int, _ step: Int, _ top: Int) -> [Float] {
    (0..<count).map { Float($0 * step % (top + 1)) / Float(top) }
  }

  func testAnIdentityKeepsEveryLevel() throws {
    for (depth, top) in [(8, 255), (16, 65_535)] {
      for channels in [1, 3] {
        let image = Image(
          width: 31, height: 17, channels: channels,
          pixels: values(channels * 527, 7919, top), alpha: values(527, 104_729, top),
          bitDepth: depth)
        let bitmap = try image.encode(format: .png).withUnsafeBytes { try Bitmap(bytes: $0) }
        let found = Image(try restorer(changing: false).restore(bitmap).picture)
        XCTAssertEqual(found.pixels, image.pixels)
        XCTAssertEqual(found.alpha, image.alpha)
      }
    }
  }

  /// The same look, once in the colours and once in the opacity of black ink.
  func testInkInTheOpacityIsRestoredAsOpaqueInk() throws {
    let paper = values(24 * 24, 37, 255)
    let opaque = Image(width: 24, height: 24, channels: 1, pixels: paper)
    let ink = Image(
      width: 24, height: 24, channels: 1, pixels: [Float](repeating: 0, count: 576),
      alpha: paper.map { 1 - $0 })
    let restorer = try restorer(changing: true)
    let expected = try restorer.restore(opaque).picture.pixels.map { min(max($0, 0), 1) }
    let found = try restorer.restore(ink).picture
    let alpha = try XCTUnwrap(found.alpha)
    for i in 0..<576 {
      XCTAssertEqual(1 + (found.pixels[i] - 1) * alpha[i], expected[i], accuracy: 2e-3)
    }
    XCTAssertNotEqual(alpha, ink.alpha)
  }

  /// A mask of all or nothing has nothing to restore, and what it hides stays as it is.
  func testMasksAndHiddenColoursAreKept() throws {
    let mask = (0..<576).map { Float($0 / 24 < 12 ? 0 : 1) }
    let image = Image(
      width: 24, height: 24, channels: 3, pixels: values(3 * 576, 53, 255), alpha: mask)
    let found = try restorer(changing: true).restore(image).picture
    XCTAssertEqual(found.alpha, mask)
    for channel in 0..<3 {
      XCTAssertEqual(found.plane(channel).prefix(288), image.plane(channel).prefix(288))
      XCTAssertNotEqual(found.plane(channel).suffix(288), image.plane(channel).suffix(288))
    }
  }

  /// Bitmaps and images go the same way, in tiles and whole.
  func testBitmapsAreRestoredAsImages() throws {
    let image = Image(
      width: 50, height: 40, channels: 3, pixels: values(6000, 7919, 255),
      alpha: values(2000, 31, 255))
    let bitmap = try image.encode(format: .png).withUnsafeBytes { try Bitmap(bytes: $0) }
    for tile in [TileSize.whole, .pixels(16)] {
      var options = RestoreOptions()
      (options.tile, options.overlap) = (tile, 8)
      let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 3)
      let restorer = try Restorer(weights, on: CPUBackend(), options: options)
      let expected = try restorer.restore(image).picture.encode(format: .png)
      XCTAssertEqual(
        try restorer.restore(bitmap).picture.encode(format: .png), expected)
    }
  }
}
