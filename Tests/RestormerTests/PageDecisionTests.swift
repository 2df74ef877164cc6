import Foundation
import Kernels
import Restormer
import TestSupport
import XCTest

/// What weights for pages of text leave as it is, and what not.
final class PageDecisionTests: XCTestCase {
  private let page = try? Image(contentsOf: Examples.path("pages/val/00-0.png"))

  /// A smooth picture with grain, as a photograph has it.
  private func photograph(width: Int, height: Int) -> Image {
    var state: UInt32 = 7
    let pixels = (0..<3 * width * height).map { i -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      let (x, y) = (Float(i % width), Float(i / width % height))
      let shape = 0.5 + 0.3 * sin(x / 9) * cos(y / 13) + 0.1 * sin((x + 2 * y) / 3)
      return shape + 0.1 * (Float(state >> 8) / Float(1 << 24) - 0.5)
    }
    return Image(width: width, height: height, channels: 3, pixels: pixels).quantized
  }

  private func beside(_ a: Image, _ b: Image) -> Image {
    var pixels: [Float] = []
    for row in 0..<3 * a.height {
      pixels += a.pixels[row * a.width..<(row + 1) * a.width]
      pixels += b.pixels[row * b.width..<(row + 1) * b.width]
    }
    return Image(width: a.width + b.width, height: a.height, channels: 3, pixels: pixels)
  }

  private func columns(_ image: Image, _ range: Range<Int>) -> [Float] {
    (0..<3 * image.height).flatMap { row in
      image.pixels[row * image.width + range.lowerBound..<row * image.width + range.upperBound]
    }
  }

  func testABlurredPageIsRestored() throws {
    let (blurred, sharp) = try Examples.pair("pages/val/00-0.png", "none defocus=1.8", seed: 1)
    let held = Self.hold(sharp, to: blurred)
    XCTAssertEqual(held.decision.kind, .page)
    XCTAssertGreaterThan(held.decision.share, 0.9)
    XCTAssertGreaterThan(
      try Metrics.psnr(held.image, sharp), try Metrics.psnr(blurred, sharp) + 10)
  }

  func testASharpPageComesBackAsItWas() throws {
    let page = try XCTUnwrap(page)
    var touched = page
    touched.pixels = touched.pixels.map { min(1, $0 * 1.02) }
    let held = Self.hold(touched, to: page)
    XCTAssertEqual(held.decision.kind, .sharpPage)
    XCTAssertEqual(held.image.pixels, page.pixels)
  }

  func testAPhotographComesBackAsItWas() throws {
    let photograph = photograph(width: 200, height: 150)
    var touched = photograph
    touched.pixels = photograph.pixels.map { $0 > 0.5 ? min(1, $0 + 0.2) : $0 - 0.1 }
    let held = Self.hold(touched, to: photograph)
    XCTAssertEqual(held.decision.kind, .noPage)
    XCTAssertEqual(held.image.pixels, photograph.pixels)
    XCTAssertTrue(held.decision.summary.contains("no page of text: left as it is"))
    XCTAssertTrue(held.decision.summary.contains("-m takes weights for photographs"))
  }

  /// Half a blurred page, half a photograph: each is dealt with by itself.
  func testAPageBesideAPhotograph() throws {
    let (blurred, sharp) = try Examples.pair("pages/val/00-0.png", "none defocus=1.8", seed: 1)
    let photograph = photograph(width: blurred.width, height: blurred.height)
    var touched = photograph
    touched.pixels = photograph.pixels.map { $0 > 0.5 ? min(1, $0 + 0.2) : $0 - 0.1 }
    let given = beside(blurred, photograph)
    let held = Self.hold(beside(sharp, touched), to: given)
    XCTAssertEqual(held.decision.kind, .page)
    XCTAssertTrue((0.2...0.7).contains(held.decision.share), "\(held.decision.share)")
    let far = blurred.width + 64..<given.width
    XCTAssertEqual(columns(held.image, far), columns(given, far))
    let near = 0..<blurred.width - 64
    let (after, before) = (columns(held.image, near), columns(given, near))
    let wanted = columns(beside(sharp, photograph), near)
    func error(_ a: [Float]) -> Float { zip(a, wanted).reduce(0) { $0 + abs($1.0 - $1.1) } }
    XCTAssertLessThan(error(after), 0.3 * error(before))
  }

  /// What is hardly darker than its surroundings is no ink: reflections and shadows have such
  /// shapes.
  func testFaintShapesAreNoPrint() throws {
    var (blurred, sharp) = try Examples.pair("pages/val/00-0.png", "none defocus=1.8", seed: 1)
    blurred.pixels = blurred.pixels.map { 0.9 + 0.1 * $0 }
    sharp.pixels = sharp.pixels.map { 0.9 + 0.1 * $0 }
    let held = Self.hold(sharp, to: blurred)
    XCTAssertEqual(held.decision.kind, .noPage)
    XCTAssertEqual(held.image.pixels, blurred.pixels)
  }

  /// Every size is decided about, down to a pixel.
  func testSmallPictures() {
    for (width, height) in [(1, 1), (31, 5), (33, 32), (2, 200)] {
      let picture = photograph(width: width, height: height)
      XCTAssertEqual(Self.hold(picture, to: picture).image.pixels, picture.pixels)
    }
  }

  /// A page in uneven light and on coloured paper gains, one that lies on its side gains as it does
  /// upright.
  func testShadesColoursAndTurnedPages() throws {
    let weights = try BundledModel.standard().weights
    let restorer = try Restorer(weights, on: CPUBackend())
    var (blurred, sharp) = try Examples.pair("pages/val/00-0.png", "none defocus=1.6", seed: 2)
    let upright = try gain(restorer, blurred, sharp)
    XCTAssertGreaterThan(upright, 3)
    let sideways = try gain(restorer, turned(blurred), turned(sharp))
    XCTAssertEqual(sideways, upright, accuracy: 1.5)
    let (width, height) = (blurred.width, blurred.height)
    for i in blurred.pixels.indices {
      let plane = i / (width * height)
      let light = (1 - 0.5 * Float(i % width) / Float(width)) * [1, 0.95, 0.8][plane]
      blurred.pixels[i] *= light
      sharp.pixels[i] *= light
    }
    XCTAssertGreaterThan(try gain(restorer, blurred, sharp), 3)
  }

  func testOtherWeightsChangeEverythingAndSoDoTheseWhenAsked() throws {
    let photograph = photograph(width: 64, height: 64)
    let weights = try BundledModel.standard().weights
    XCTAssertEqual(
      try Restorer(weights, on: CPUBackend()).restore(photograph).picture.pixels, photograph.pixels)
    var options = RestoreOptions()
    options.evenSharp = true
    XCTAssertNotEqual(
      try Restorer(weights, on: CPUBackend(), options: options).restore(photograph).picture.pixels,
      photograph.pixels)
    var others = weights
    others.metadata = [:]
    XCTAssertNotEqual(
      try Restorer(others, on: CPUBackend()).restore(photograph).picture.pixels, photograph.pixels)
  }

  private func gain(_ restorer: Restorer<CPUBackend>, _ given: Image, _ target: Image) throws
    -> Double
  {
    let restored = try restorer.restore(given).picture
    return try Metrics.psnr(restored, target) - Metrics.psnr(given, target)
  }

  private func turned(_ image: Image) -> Image {
    let quarter = Symmetry.allCases.first { $0.name == "rotate-90" } ?? .identity
    let planar = quarter.apply(
      to: PlanarImage(
        width: image.width, height: image.height, channels: 3, pixels: image.pixels))
    return Image(width: planar.width, height: planar.height, channels: 3, pixels: planar.pixels)
  }

  private static func hold(
    _ restored: Image, to picture: Image
  ) -> (image: Image, decision: PageDecision) {
    var image = restored
    let decision = PageDecision.hold(&image, to: picture)
    return (image, decision)
  }
}
