import Restormer
import XCTest

/// What is written and read again is the same.
final class ImageRoundTripTests: XCTestCase {
  private func roundTrip(
    _ image: Image, _ format: ImageFormat = .png, quality: Int = 95
  ) throws -> Image {
    let scratch = try ImageScratch()
    try image.write(to: scratch.file("a"), format: format, quality: quality)
    XCTAssertEqual(scratch.names, ["a"])
    let bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.file("a")))
    XCTAssertEqual([UInt8](bytes), try image.encode(format: format, quality: quality))
    return try Image(contentsOf: scratch.file("a"))
  }

  /// The header of a profile: all that is ever looked at is its colour space.
  private func profile(_ space: String) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 132)
    bytes.replaceSubrange(0..<4, with: ImagePNGBuilder.number(132))
    bytes[8] = 2
    bytes.replaceSubrange(12..<16, with: "mntr".utf8)
    bytes.replaceSubrange(16..<20, with: space.utf8)
    bytes.replaceSubrange(20..<24, with: "XYZ ".utf8)
    bytes.replaceSubrange(36..<40, with: "acsp".utf8)
    return bytes
  }

  func testEvery16BitValueIsExact() throws {
    let pixels = (0..<65_536).map { Float($0) / 65_535 }
    let image = Image(width: 256, height: 256, channels: 1, pixels: pixels, bitDepth: 16)
    let back = try roundTrip(image)
    XCTAssertEqual(back.bitDepth, 16)
    XCTAssertEqual(back.pixels, pixels)
  }

  func testEveryKindOfPNG() throws {
    for (bitDepth, top) in [(8, 255), (16, 65_535)] {
      for channels in [1, 3] {
        for hasAlpha in [false, true] {
          let count = 7 * 5
          let values = (0..<4 * count).map { Float(($0 * 7919) % (top + 1)) / Float(top) }
          let image = Image(
            width: 7, height: 5, channels: channels, pixels: Array(values[..<(channels * count)]),
            alpha: hasAlpha ? Array(values[(3 * count)...]) : nil, bitDepth: bitDepth,
            iccProfile: profile(channels == 3 ? "RGB " : "GRAY"))
          let back = try roundTrip(image)
          XCTAssertEqual(back.pixels, image.pixels)
          XCTAssertEqual(back.alpha, image.alpha)
          XCTAssertEqual(back.bitDepth, bitDepth)
          XCTAssertEqual(back.iccProfile, image.iccProfile)
        }
      }
    }
  }

  func testRoundingClampingAndNaN() throws {
    let levels: [Float] = [-1, 2, .nan, .infinity, -.infinity, 0.5 / 255, 1.5 / 255, 2.5 / 255]
    let image = Image(width: 8, height: 1, channels: 1, pixels: levels)
    let back = try roundTrip(image)
    XCTAssertEqual(back.pixels.map { $0 * 255 }, [0, 255, 0, 255, 0, 0, 2, 2])
  }

  func testJPEGIsClose() throws {
    let (width, height) = (70, 53)
    for channels in [1, 3] {
      let pixels = (0..<channels * height * width).map { i in
        Float(0.5 + 0.4 * sin(Double(i % width) / 9) * cos(Double(i / width % height) / 7))
      }
      let image = Image(
        width: width, height: height, channels: channels, pixels: pixels,
        iccProfile: profile(channels == 3 ? "RGB " : "GRAY"))
      let back = try roundTrip(image, .jpeg)
      XCTAssertEqual(back.channels, channels)
      XCTAssertEqual(back.iccProfile, image.iccProfile)
      XCTAssertGreaterThan(try Metrics.psnr(image, back), 45)
      let coarse = try roundTrip(image, .jpeg, quality: 20)
      XCTAssertGreaterThan(try Metrics.psnr(image, coarse), 30)
    }
  }

  func testALargeProfileIsKept() throws {
    var large = profile("RGB ") + [UInt8](repeating: 3, count: 150_000)
    large.replaceSubrange(0..<4, with: ImagePNGBuilder.number(large.count))
    let image = Image(
      width: 1, height: 1, channels: 3, pixels: [0, 0, 0], iccProfile: large)
    XCTAssertEqual(try roundTrip(image, .jpeg).iccProfile, large)
    XCTAssertEqual(try roundTrip(image).iccProfile, large)
  }

  func testAProfileOfOtherChannelsIsLeftOut() throws {
    let image = Image(
      width: 1, height: 1, channels: 1, pixels: [0], iccProfile: profile("RGB "))
    XCTAssertNil(try roundTrip(image).iccProfile)
    XCTAssertNil(try roundTrip(image, .jpeg).iccProfile)
  }

  func testJPEGLaysAlphaOverWhite() throws {
    let image = Image(
      width: 16, height: 8, channels: 3, pixels: [Float](repeating: 0, count: 384),
      alpha: (0..<128).map { $0 % 16 < 8 ? 0 : 1 })
    let back = try roundTrip(image, .jpeg)
    XCTAssertNil(back.alpha)
    XCTAssertEqual(back.pixels[0], 1)
    XCTAssertEqual(back.pixels[15], 0)
  }

  func testNotesOfColorAndResolutionAreKept() throws {
    var builder = ImagePNGBuilder(width: 2, height: 1, bitDepth: 8, colorType: 2) { _, _, _ in 9 }
    let chromaticities = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6000]
    builder.before = [
      ("gAMA", ImagePNGBuilder.number(45_455)),
      ("cHRM", chromaticities.flatMap(ImagePNGBuilder.number)), ("sRGB", [2]),
      ("pHYs", ImagePNGBuilder.number(11_811) + ImagePNGBuilder.number(5906) + [1]),
    ]
    let image = try builder.bytes.withUnsafeBytes { try Image(bytes: $0) }
    XCTAssertEqual(image.tags.sRGBIntent, 2)
    XCTAssertEqual(image.tags.gamma, 45_455)
    XCTAssertEqual(image.tags.chromaticities, chromaticities.map(Int32.init))
    XCTAssertEqual(image.tags.pixelsPerMeter, SIMD2(11_811, 5906))
    XCTAssertEqual(try roundTrip(image).tags, image.tags)
    // 300 x 150 dots per inch, the unit that JPEG has.
    XCTAssertEqual(try roundTrip(image, .jpeg).tags.pixelsPerMeter, SIMD2(11_811, 5906))
  }
}
