import Restormer
import XCTest

/// Every kind of PNG and JPEG, from bytes built here.
final class ImageReadingTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> Image {
    try bytes.withUnsafeBytes { try Image(bytes: $0, path: "test") }
  }

  private func value(_ x: Int, _ y: Int, _ channel: Int, _ bitDepth: Int) -> Int {
    (x * 7919 + y * 104_729 + channel * 1299 + 17) % (1 << bitDepth)
  }

  /// All colour types and bit depths that PNG allows, except palettes.
  private func plainKinds() -> [(colorType: Int, bitDepth: Int)] {
    [1, 2, 4, 8, 16].map { (0, $0) } + [2, 4, 6].flatMap { [($0, 8), ($0, 16)] }
  }

  func testEveryPlainPNG() throws {
    for (colorType, bitDepth) in plainKinds() {
      for interlaced in [false, true] {
        for (width, height) in [(1, 1), (3, 2), (13, 9), (2, 17)] {
          let builder = ImagePNGBuilder(
            width: width, height: height, bitDepth: bitDepth, colorType: colorType,
            interlaced: interlaced
          ) { self.value($0, $1, $2, bitDepth) }
          let image = try read(builder.bytes)
          check(image, builder)
        }
      }
    }
  }

  private func check(_ image: Image, _ builder: ImagePNGBuilder) {
    let name = "\(builder.colorType) \(builder.bitDepth) \(builder.interlaced)"
    let hasAlpha = builder.colorType >= 4
    XCTAssertEqual(image.width, builder.width, name)
    XCTAssertEqual(image.height, builder.height, name)
    XCTAssertEqual(image.channels, builder.colorType & 2 == 0 ? 1 : 3, name)
    XCTAssertEqual(image.alpha != nil, hasAlpha, name)
    XCTAssertEqual(image.bitDepth, builder.bitDepth == 16 ? 16 : 8, name)
    let top = Float((1 << builder.bitDepth) - 1)
    let plane = image.width * image.height
    for y in 0..<image.height {
      for x in 0..<image.width {
        for channel in 0..<image.channels {
          let expected = Float(builder.sample(x, y, channel)) / top
          XCTAssertEqual(image.pixels[channel * plane + y * image.width + x], expected, name)
        }
        if let alpha = image.alpha {
          let expected = Float(builder.sample(x, y, image.channels)) / top
          XCTAssertEqual(alpha[y * image.width + x], expected, name)
        }
      }
    }
  }

  func testPalettes() throws {
    let colors: [UInt8] = [255, 0, 0, 0, 255, 0, 10, 20, 30, 255, 255, 255]
    for bitDepth in [2, 4, 8] {
      var builder = ImagePNGBuilder(width: 5, height: 4, bitDepth: bitDepth, colorType: 3) {
        x, y, _ in (x + y) % 4
      }
      builder.before = [("PLTE", colors)]
      let opaque = try read(builder.bytes)
      XCTAssertNil(opaque.alpha)
      XCTAssertEqual(opaque.channels, 3)
      builder.before.append(("tRNS", [0, 51]))
      builder.interlaced = true
      let image = try read(builder.bytes)
      XCTAssertEqual(image.pixels, opaque.pixels)
      for i in 0..<20 {
        let entry = (i % 5 + i / 5) % 4
        for channel in 0..<3 {
          XCTAssertEqual(image.pixels[channel * 20 + i], Float(colors[entry * 3 + channel]) / 255)
        }
        XCTAssertEqual(image.alpha?[i], [0, 0.2, 1, 1][entry])
      }
    }
  }

  func testTransparentColors() throws {
    for bitDepth in [1, 8, 16] {
      var gray = ImagePNGBuilder(width: 2, height: 1, bitDepth: bitDepth, colorType: 0) {
        x, _, _ in x
      }
      gray.before = [("tRNS", [0, 1])]
      XCTAssertEqual(try read(gray.bytes).alpha, [1, 0])
    }
    var color = ImagePNGBuilder(width: 2, height: 1, bitDepth: 8, colorType: 2) { x, _, c in x + c }
    color.before = [("tRNS", [0, 0, 0, 1, 0, 2])]
    XCTAssertEqual(try read(color.bytes).alpha, [0, 1])
  }

  func testGammaIsNotApplied() throws {
    var builder = ImagePNGBuilder(width: 1, height: 1, bitDepth: 16, colorType: 0) { _, _, _ in
      12_345
    }
    builder.before = [("gAMA", ImagePNGBuilder.number(100_000)), ("sRGB", [1])]
    let image = try read(builder.bytes)
    XCTAssertEqual(image.pixels, [12_345 / 65_535])
  }

  func testTheContentDecidesNotTheName() throws {
    let scratch = try ImageScratch()
    let gray = Image(width: 2, height: 2, channels: 1, pixels: [0, 1, 0, 1])
    let path = scratch.file("photo.png")
    try gray.write(to: path, format: .jpeg)
    XCTAssertEqual(try Image.header(of: path).format, .jpeg)
    XCTAssertEqual(try Image(contentsOf: path).pixels.count, 4)
  }

  func testHeadersAgreeWithImages() throws {
    let scratch = try ImageScratch()
    for (colorType, bitDepth) in plainKinds() {
      let builder = ImagePNGBuilder(width: 5, height: 3, bitDepth: bitDepth, colorType: colorType) {
        _, _, _ in 1
      }
      let path = try scratch.write(builder.bytes)
      let header = try Image.header(of: path)
      let image = try Image(contentsOf: path)
      XCTAssertEqual(header.width, image.width)
      XCTAssertEqual(header.height, image.height)
      XCTAssertEqual(header.channels, image.channels)
      XCTAssertEqual(header.hasAlpha, image.alpha != nil)
      XCTAssertEqual(header.bitDepth, image.bitDepth)
      XCTAssertEqual(header.format, .png)
    }
  }

  func testFormatsByExtension() {
    XCTAssertEqual(ImageFormat(pathExtension: "PNG"), .png)
    XCTAssertEqual(ImageFormat(pathExtension: "jpg"), .jpeg)
    XCTAssertEqual(ImageFormat(pathExtension: "JPEG"), .jpeg)
    XCTAssertEqual(ImageFormat(pathExtension: "TIF"), .tiff)
    XCTAssertNil(ImageFormat(pathExtension: "heic"))
  }
}
