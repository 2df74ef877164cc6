import Foundation
import Restormer
import TestSupport
import XCTest

final class MetricsTests: XCTestCase {
  private struct Manifest: Decodable {
    let images: [String: Expected]
  }

  private struct Expected: Decodable {
    let psnr, ssim, l101, mse01: Double
    let psnrYBasicsr, ssimYBasicsrOfficial, ssimYSkimage: Double?
    let psnrYUint8, ssimYUint8Skimage: Double?
    let yFirstPixelsA, ssimPerChannel: [Double]?
  }

  private func close(
    _ value: Double, _ expected: Double?, _ tolerance: Double, line: UInt = #line
  ) throws {
    let expected = try XCTUnwrap(expected)
    XCTAssertLessThan(abs(value - expected) / abs(expected), tolerance, line: line)
  }

  func testRecordedValues() throws {
    let data = try Data(contentsOf: Golden.file("07_metrics", "manifest.json"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    for (name, expected) in try decoder.decode(Manifest.self, from: data).images {
      let a = try Image(contentsOf: Golden.file("07_metrics", name + "_a.png").path)
      let b = try Image(contentsOf: Golden.file("07_metrics", name + "_b.png").path)
      try close(Metrics.psnr(a, b), expected.psnr, 1e-6)
      try close(Metrics.ssim(a, b), expected.ssim, 1e-6)
      try close(Metrics.l1(a, b), expected.l101, 1e-6)
      try close(Metrics.mse(a, b), expected.mse01, 1e-6)
      XCTAssertEqual(try Metrics.psnr(a, a), .infinity)
      XCTAssertEqual(try Metrics.ssim(a, a), 1, accuracy: 1e-10)
      if a.channels == 3 { try checkLuma(a, b, expected) }
    }
  }

  private func checkLuma(_ a: Image, _ b: Image, _ expected: Expected) throws {
    let (ya, yb) = (Metrics.yChannel(a), Metrics.yChannel(b))
    try close(Metrics.psnr(ya, yb), expected.psnrYBasicsr, 1e-6)
    try close(Metrics.ssim(ya, yb), expected.ssimYSkimage, 1e-6)
    try close(
      Metrics.ssim(ya, yb, windows: .everywhere), expected.ssimYBasicsrOfficial, 1e-5)
    let (ra, rb) = (
      Metrics.yChannel(a, rounded: true), Metrics.yChannel(b, rounded: true)
    )
    try close(Metrics.psnr(ra, rb), expected.psnrYUint8, 1e-6)
    try close(Metrics.ssim(ra, rb), expected.ssimYUint8Skimage, 1e-6)
    for (value, level) in zip(ya.pixels, try XCTUnwrap(expected.yFirstPixelsA)) {
      XCTAssertEqual(Double(value) * 255, level, accuracy: 1e-4)
    }
    let channels = try Metrics.ssimPerChannel(a, b)
    for (value, index) in zip(channels, try XCTUnwrap(expected.ssimPerChannel)) {
      try close(value, index, 1e-6)
    }
  }

  private func noise(_ width: Int, _ height: Int, channels: Int = 1) -> Image {
    let pixels = (0..<channels * width * height).map { _ in Float.random(in: 0...1) }
    return Image(width: width, height: height, channels: channels, pixels: pixels)
  }

  /// SSIM by its definition: every window summed pixel by pixel.
  private func plainSSIM(_ a: Image, _ b: Image, everywhere: Bool) -> Double {
    let weights = (-5...5).map { exp(-Double($0 * $0) / 4.5) }
    let norm = pow(weights.reduce(0, +), 2)
    let margin = everywhere ? 0 : 5
    var indices: [Double] = []
    for cy in margin..<a.height - margin {
      for cx in margin..<a.width - margin {
        var m = [Double](repeating: 0, count: 5)
        for dy in -5...5 {
          for dx in -5...5 {
            let y = min(max(cy + dy, 0), a.height - 1)
            let x = min(max(cx + dx, 0), a.width - 1)
            let w = weights[dy + 5] * weights[dx + 5] / norm
            let (p, q) = (Double(a.pixels[y * a.width + x]), Double(b.pixels[y * a.width + x]))
            for (i, term) in [p, q, p * p, q * q, p * q].enumerated() { m[i] += w * term }
          }
        }
        let top = (2 * m[0] * m[1] + 1e-4) * (2 * (m[4] - m[0] * m[1]) + 9e-4)
        let spread = m[2] - m[0] * m[0] + m[3] - m[1] * m[1] + 9e-4
        indices.append(top / ((m[0] * m[0] + m[1] * m[1] + 1e-4) * spread))
      }
    }
    return indices.reduce(0, +) / Double(indices.count)
  }

  func testSSIMIsItsDefinition() throws {
    for (width, height) in [(11, 11), (12, 44), (75, 13)] {
      let (a, b) = (noise(width, height), noise(width, height))
      XCTAssertEqual(
        try Metrics.ssim(a, b), plainSSIM(a, b, everywhere: false), accuracy: 1e-10)
      XCTAssertEqual(
        try Metrics.ssim(a, b, windows: .everywhere), plainSSIM(a, b, everywhere: true),
        accuracy: 1e-10)
    }
    for (width, height) in [(1, 1), (3, 40), (5, 2)] {
      let (a, b) = (noise(width, height), noise(width, height))
      XCTAssertEqual(
        try Metrics.ssim(a, b, windows: .everywhere), plainSSIM(a, b, everywhere: true),
        accuracy: 1e-10)
    }
  }

  func testABorderIsACrop() throws {
    let (a, b) = (noise(30, 26), noise(30, 26))
    func crop(_ image: Image) -> Image {
      let pixels = (3..<23).flatMap { y in image.pixels[y * 30 + 3..<y * 30 + 27] }
      return Image(width: 24, height: 20, channels: 1, pixels: pixels)
    }
    let (c, d) = (crop(a), crop(b))
    XCTAssertEqual(try Metrics.psnr(a, b, border: 3), try Metrics.psnr(c, d), accuracy: 1e-10)
    XCTAssertEqual(try Metrics.l1(a, b, border: 3), try Metrics.l1(c, d), accuracy: 1e-10)
    XCTAssertEqual(try Metrics.ssim(a, b, border: 3), try Metrics.ssim(c, d), accuracy: 1e-10)
    XCTAssertEqual(
      try Metrics.ssim(a, b, border: 3, windows: .everywhere),
      try Metrics.ssim(c, d, windows: .everywhere), accuracy: 1e-10)
  }

  func testWhatCannotBeComparedIsNamed() {
    func text(_ body: @autoclosure () throws -> Double) -> String {
      do { return "\(try body())" } catch { return "\(error)" }
    }
    XCTAssertEqual(
      text(try Metrics.psnr(noise(4, 3), noise(3, 4, channels: 3))),
      "cannot compare 4 x 3 gray with 3 x 4 RGB")
    XCTAssertEqual(
      text(try Metrics.ssim(noise(40, 10), noise(40, 10))), "SSIM needs 11 x 11 pixels, not 40 x 10"
    )
    XCTAssertEqual(
      text(try Metrics.mse(noise(6, 9), noise(6, 9), border: 3)),
      "a border of 3 leaves nothing of 6 x 9 gray")
  }

  func testSSIMIsQuick() throws {
    let (a, b) = (noise(700, 500, channels: 3), noise(700, 500, channels: 3))
    let start = DispatchTime.now().uptimeNanoseconds
    _ = try Metrics.ssim(a, b)
    let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    print("SSIM of 700 x 500 RGB: \(Int(seconds * 1000)) ms")
    XCTAssertLessThan(seconds, 10)
  }
}
