import Basics
import Foundation
import Restormer
import XCTest

/// What each kind of damage does to simple pictures, and that everything repeats.
final class DegradationTests: XCTestCase {
  private func recipe(_ text: String) throws -> DegradationRecipe { try DegradationRecipe(text) }

  private func flat(_ value: Float, side: Int = 128, channels: Int = 1) -> PlanarImage {
    PlanarImage(
      width: side, height: side, channels: channels,
      pixels: [Float](repeating: value, count: channels * side * side))
  }

  private func degraded(_ image: PlanarImage, _ text: String, seed: UInt64 = 3) throws -> [Float] {
    try recipe(text).degradation(seed: seed).apply(to: image).pixels
  }

  private func deviation(_ values: [Float]) -> Double {
    let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
    let squares = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    return (squares / Double(values.count)).squareRoot()
  }

  func testKernelsKeepTheLightAndTheCentre() {
    let kernels =
      [0, 0.3, 0.8, 1.7, 3, 7.25].map { BlurKernel.disk(radius: $0) }
      + [0, 0.5, 3, 9, 31].flatMap { length in
        [0, 33, 90, 171].map { BlurKernel.motion(length: length, angle: $0) }
      } + [0.4, 2].map { BlurKernel.gaussian(sigma: $0, vertical: false) }
    for kernel in kernels {
      XCTAssertEqual(kernel.taps.reduce(0) { $0 + $1.weight }, 1, accuracy: 1e-5)
      XCTAssertEqual(kernel.taps.reduce(0) { $0 + Float($1.x) * $1.weight }, 0, accuracy: 1e-4)
      XCTAssertEqual(kernel.taps.reduce(0) { $0 + Float($1.y) * $1.weight }, 0, accuracy: 1e-4)
    }
  }

  private func spread(_ kernel: BlurKernel, _ place: (BlurKernel.Tap) -> Double) -> Double {
    kernel.taps.reduce(0) { $0 + Double($1.weight) * place($1) * place($1) }
  }

  /// A disk's variance along one axis is r²/4, that of the pixels themselves 1/12.
  func testADiskHasItsRadius() {
    for radius in [0.8, 1.5, 2.6, 6] {
      let kernel = BlurKernel.disk(radius: radius)
      XCTAssertEqual(kernel.reach, Int((radius - 0.5).rounded(.up)))
      XCTAssertEqual(
        spread(kernel) { Double($0.x) }, radius * radius / 4, accuracy: 0.13, "\(radius)")
      XCTAssertEqual(
        spread(kernel) { Double($0.x) }, spread(kernel) { Double($0.y) }, accuracy: 0.02)
    }
    XCTAssertEqual(BlurKernel.disk(radius: 0).taps.count, 1)
  }

  /// A path's variance is L²/12 along it and nothing across, beside up to 1/4 for the sharing
  /// between pixels.
  func testAPathHasItsLengthAndDirection() {
    for (length, angle) in [(3.0, 0.0), (8, 45), (9, 90), (5, 120)] {
      let kernel = BlurKernel.motion(length: length, angle: angle)
      let (right, up) = (cos(angle * .pi / 180), sin(angle * .pi / 180))
      let along = spread(kernel) { Double($0.x) * right - Double($0.y) * up }
      let across = spread(kernel) { Double($0.x) * up + Double($0.y) * right }
      XCTAssertEqual(along, length * length / 12 + 0.15, accuracy: 0.15, "\(length) at \(angle)")
      XCTAssertLessThan(across, 0.26, "\(length) at \(angle)")
    }
  }

  func testAPointBecomesTheKernel() throws {
    var point = flat(0, side: 21)
    point.pixels[10 * 21 + 10] = 1
    let pixels = try degraded(point, "none defocus=2.5")
    for tap in BlurKernel.disk(radius: 2.5).taps {
      XCTAssertEqual(pixels[(10 + tap.y) * 21 + 10 + tap.x], tap.weight, accuracy: 0.5 / 255)
    }
    XCTAssertEqual(pixels[10 * 21 + 14], 0)
  }

  func testNoiseHasItsDeviation() throws {
    let gray = flat(0.25)
    for sigma in [2.0, 5, 12] {
      let noise = deviation(try degraded(gray, "none noise=\(sigma)")) * 255
      // Rounding to 8 bits adds a variance of 1/12.
      XCTAssertEqual(noise, (sigma * sigma + 1 / 12).squareRoot(), accuracy: 0.03 * sigma)
    }
    let shot = deviation(try degraded(gray, "none shot=8")) * 255
    XCTAssertEqual(shot, 4, accuracy: 0.15)
    XCTAssertEqual(try degraded(flat(0), "none shot=8"), flat(0).pixels)
  }

  func testTheOtherKindsDoSomethingAndKeepFlatPaper() throws {
    var lines = flat(1, channels: 3)
    for index in lines.pixels.indices where index / 3 % 2 == 0 { lines.pixels[index] = 0.1 }
    for text in [
      "gaussian-blur=1.5", "downscale=2", "jpeg=40", "rain=20", "motion=6", "defocus=2",
    ] {
      XCTAssertNotEqual(try degraded(lines, "none " + text), lines.pixels, text)
      if !text.hasPrefix("rain") {
        let paper = flat(0.8, channels: 3)
        for value in try degraded(paper, "none " + text) {
          XCTAssertEqual(value, 0.8, accuracy: 1.01 / 255, text)
        }
      }
    }
    XCTAssertEqual(try degraded(flat(0.2), "none"), flat(0.2).pixels)
    let rain = try degraded(flat(0.2), "none rain=20")
    XCTAssertTrue(rain.allSatisfy { $0 >= 0.2 - 1e-6 && $0 < 0.7 })
  }

  func testTheSeedDecidesEverything() throws {
    let image = PlanarImage(
      width: 40, height: 30, channels: 3, pixels: (0..<3600).map { Float($0 % 97) / 97 })
    let all = "document rain=3-9 jpeg=60-95@1 shot=1-4@1 downscale=1.2-2@1"
    XCTAssertEqual(try degraded(image, all), try degraded(image, all))
    XCTAssertNotEqual(try degraded(image, all), try degraded(image, all, seed: 4))
    // Another kind switched off leaves the others' choices as they were.
    let (with, without) = (
      try recipe(all).degradation(seed: 9), try recipe(all + " motion=off").degradation(seed: 9)
    )
    XCTAssertEqual(with.values[.defocus], without.values[.defocus])
    XCTAssertEqual(with.values[.noise], without.values[.noise])
    XCTAssertEqual(with.seed, without.seed)
  }

  func testValuesLieInTheirRangesAsOftenAsTheRecipeSays() throws {
    let recipe = DegradationRecipe.document
    let drawn = (0..<4000).map { recipe.degradation(seed: UInt64($0)) }
    for (kind, step) in recipe.steps {
      let values = drawn.compactMap { $0.values[kind] }
      XCTAssertTrue(values.allSatisfy(step.range.contains), "\(kind)")
      let share = step.probability * (1 - recipe.sharp) + (kind == .noise ? recipe.sharp : 0)
      XCTAssertEqual(Double(values.count) / 4000, share, accuracy: 0.03, "\(kind)")
    }
    let sharp = drawn.filter { $0.values == [.noise: 0.5] }
    XCTAssertEqual(Double(sharp.count) / 4000, recipe.sharp, accuracy: 0.03)
  }

  func testRecipesAsText() throws {
    XCTAssertEqual(DegradationRecipe.document.description, "document")
    for text in [
      "document", "none defocus=1.25-2.5@1", "document rain=2-6@0.125 jpeg=off sharp=0",
      "none noise=0.00001-3@0.5",
    ] {
      let read = try recipe(text)
      XCTAssertEqual(try recipe(read.description), read)
      if !text.contains("0.00001") { XCTAssertEqual(read.description, text) }
    }
    XCTAssertEqual(try recipe("document motion=4").steps[.motion]?.probability, 0.5)
    XCTAssertEqual(try recipe("document rain=4").steps[.rain]?.probability, 1)
    for (text, part) in [
      ("", "expected document or none"), ("page", "'page'"), ("none defocus", "NAME=RANGE"),
      ("none defocus=3-1", "defocus '3-1', expected a range from low to high"),
      ("none defocus=-1", "'-1'"), ("none defocus=1-nan", "'1-nan'"), ("none defocus=inf", "'inf'"),
      ("none jpeg=50-101", "values from 1 to 100"), ("none noise=1@2", "probability"),
      ("none fog=1", "'fog'"), ("none sharp=2", "sharp '2'"), ("none noise=", "noise"),
    ] {
      XCTAssertThrowsError(try recipe(text), text) {
        XCTAssertTrue("\($0)".contains(part), "\($0)")
      }
    }
  }

  /// Blur at a window's edges comes from the page around it, and JPEG's blocks lie as on the page.
  func testAWindowLooksLikeThatPartOfTheWholePage() throws {
    var generator = SplitMix64(seed: 1)
    let page = Image(
      width: 150, height: 110, channels: 3,
      pixels: (0..<3 * 150 * 110).map { _ in Float(generator.next() % 2) })
    for text in ["none defocus=3 motion=9", "none gaussian-blur=1.5 jpeg=70"] {
      let degradation = try recipe(text).degradation(seed: 2)
      let whole = try degradation.pair(from: page, window: PageWindow(of: page))
      var window = PageWindow(of: page)
      for (x, y) in [(0, 0), (37, 41), (86, 46)] {
        (window.x, window.y, window.width, window.height) = (x, y, 64, 64)
        let part = try degradation.pair(from: page, window: window)
        for (found, expected) in [(part.input, whole.input), (part.target, whole.target)] {
          for index in found.pixels.indices {
            let (column, row) = (x + index % 64, y + index / 64 % 64)
            let place = (index / 4096 * 110 + row) * 150 + column
            XCTAssertEqual(found.pixels[index], expected.pixels[place], accuracy: 1e-6, text)
          }
        }
      }
    }
  }
}
