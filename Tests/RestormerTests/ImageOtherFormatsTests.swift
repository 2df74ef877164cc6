import Restormer
import XCTest

/// TIFF, WebP and BMP, from bytes built here.
final class ImageOtherFormatsTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> Image {
    try bytes.withUnsafeBytes { try Image(bytes: $0, path: "test") }
  }

  private func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// An uncompressed TIFF of one strip. Values of SHORT fields stand in their entries.
  private func tiff(
    _ width: Int, _ height: Int, depth: Int, samples: Int, photometric: Int, extra: Int? = nil,
    orientation: Int = 1, data: [UInt8]
  ) -> [UInt8] {
    var fields = [
      (256, width), (257, height), (259, 1), (262, photometric), (274, orientation),
      (277, samples), (278, height), (279, data.count),
    ]
    if let extra { fields.append((338, extra)) }
    let folder = 8 + data.count
    // More than two depths do not fit their entry.
    let depths = folder + 2 + 12 * (fields.count + 2) + 4
    var entries = fields.map { tag, value in
      (tag, little(tag, 2) + little(4, 2) + little(1, 4) + little(value, 4))
    }
    for index in entries.indices where entries[index].0 != 279 && entries[index].0 != 278 {
      entries[index].1[2] = 3
    }
    entries.append((273, little(273, 2) + little(4, 2) + little(1, 4) + little(8, 4)))
    let place =
      samples > 2
      ? little(depths, 4) : (0..<2).flatMap { little($0 < samples ? depth : 0, 2) }
    entries.append((258, little(258, 2) + little(3, 2) + little(samples, 4) + place))
    entries.sort { $0.0 < $1.0 }
    return Array("II*\0".utf8) + little(folder, 4) + data + little(entries.count, 2)
      + entries.flatMap(\.1) + little(0, 4) + (0..<samples).flatMap { _ in little(depth, 2) }
  }

  func testPlainTIFFs() throws {
    let gray = try read(tiff(2, 2, depth: 8, samples: 1, photometric: 1, data: [0, 51, 102, 255]))
    XCTAssertEqual(gray.pixels, [0, 0.2, 0.4, 1])
    let inverted = try read(
      tiff(2, 2, depth: 8, samples: 1, photometric: 0, data: [0, 51, 102, 255]))
    XCTAssertEqual(inverted.pixels, [1, 0.8, 0.6, 0])
    let deep = try read(
      tiff(1, 1, depth: 16, samples: 3, photometric: 2, data: [0x34, 0x12, 0, 0, 0xFF, 0xFF]))
    XCTAssertEqual(deep.bitDepth, 16)
    XCTAssertEqual(deep.pixels, [Float(0x1234) / 65_535, 0, 1])
    let turned = try read(
      tiff(2, 1, depth: 8, samples: 1, photometric: 1, orientation: 3, data: [0, 255]))
    XCTAssertEqual(turned.pixels, [1, 0])
  }

  /// A folder of a TIFF as it stands at `offset`, with values that do not fit their entries behind.
  private func folder(_ fields: [(Int, Int, [UInt8])], at offset: Int) -> [UInt8] {
    var (entries, values) = ([UInt8](), [UInt8]())
    for (tag, type, value) in fields.sorted(by: { $0.0 < $1.0 }) {
      let count = value.count / [2: 1, 3: 2, 4: 4, 5: 8, 7: 1][type, default: 1]
      entries += little(tag, 2) + little(type, 2) + little(count, 4)
      if value.count <= 4 {
        entries += value + [UInt8](repeating: 0, count: 4 - value.count)
      } else {
        entries += little(offset + 6 + 12 * fields.count + values.count, 4)
        values += value
      }
    }
    return little(fields.count, 2) + entries + little(0, 4) + values
  }

  func testNotesOfTIFFs() throws {
    let maker = Array("A maker\0".utf8)
    let exposure = little(1, 4) + little(125, 4)
    let bound = Array("offsets of the maker".utf8)
    var file = Array("II*\0".utf8) + little(0, 4) + [0, 255]
    let details = file.count
    file += folder(
      [(0x829A, 5, exposure), (0x927C, 7, bound), (0xA002, 4, little(2, 4))], at: details)
    let places = file.count
    file += folder([(1, 2, Array("N\0".utf8))], at: places)
    let first = file.count
    file += folder(
      [
        (256, 4, little(2, 4)), (257, 4, little(1, 4)), (258, 3, little(8, 2)),
        (259, 3, little(1, 2)), (262, 3, little(1, 2)), (0x010F, 2, maker), (273, 4, little(8, 4)),
        (274, 3, little(3, 2)), (277, 3, little(1, 2)), (278, 4, little(1, 4)),
        (279, 4, little(2, 4)), (0x8769, 4, little(details, 4)), (0x8825, 4, little(places, 4)),
      ], at: first)
    file.replaceSubrange(4..<8, with: little(first, 4))
    let bitmap = try file.withUnsafeBytes { try Bitmap(bytes: $0) }
    let upright: [(Int, Int, [UInt8])] = [(0x010F, 2, maker), (274, 3, little(1, 2))]
    let size = folder(upright + [(0x8769, 4, little(0, 4)), (0x8825, 4, little(0, 4))], at: 8).count
    let inner = folder([(0x829A, 5, exposure), (0xA002, 4, little(2, 4))], at: 8 + size)
    let pointers = [
      (0x8769, 4, little(8 + size, 4)), (0x8825, 4, little(8 + size + inner.count, 4)),
    ]
    XCTAssertEqual(
      bitmap.tags.exif,
      Array("II*\0".utf8) + little(8, 4) + folder(upright + pointers, at: 8) + inner
        + folder([(1, 2, Array("N\0".utf8))], at: 0))
    // What cannot be read is left out, and the picture is read all the same.
    for (place, value) in [
      (details, 65_535), (first + 2 + 12 * 11 + 8, 1 << 31), (details + 10, 1 << 24),
    ] {
      var damaged = file
      damaged.replaceSubrange(place..<place + 4, with: little(value, 4))
      let pixels = try damaged.withUnsafeBytes { try Bitmap(bytes: $0) }
      XCTAssertEqual(pixels.tags.exif?.firstRange(of: maker)?.isEmpty, false)
    }
  }

  func testOpacityOfTIFFs() throws {
    let data: [UInt8] = [100, 50, 0, 200]
    for (extra, red, alpha) in [(2, 100, 200), (1, 127, 200), (0, 100, nil)] as [(Int, Int, Int?)] {
      let image = try read(
        tiff(1, 1, depth: 8, samples: 4, photometric: 2, extra: extra, data: data))
      XCTAssertEqual(image.pixels[0], Float(red) / 255)
      XCTAssertEqual(image.alpha?.first, alpha.map { Float($0) / 255 })
    }
  }

  func testWebP() throws {
    let file =
      "UklGRkYAAABXRUJQVlA4TDoAAAAvAkAAEC9AqIFxeOmf19QQ0xDm0z8wBW3bMH3b+AOeSpBtU7xpnfwBxfypGPvX"
      + "LghIyJQ8s0FE/yMW"
    let bytes = [UInt8](try XCTUnwrap(Data(base64Encoded: file)))
    let image = try read(bytes)
    XCTAssertEqual([image.width, image.height, image.channels], [3, 2, 3])
    XCTAssertEqual(
      image.pixels.map { $0 * 255 },
      [255, 0, 0, 1, 9, 255, 0, 255, 0, 2, 8, 255, 0, 0, 255, 3, 7, 255])
    XCTAssertEqual(image.alpha?.map { $0 * 255 }, [255, 128, 0, 255, 200, 255])
    XCTAssertThrowsError(try read(Array(bytes.dropLast(20))))
  }

  private func bmp(
    _ width: Int, _ height: Int, bits: Int, coding: Int = 0, behind: [UInt8] = [], data: [UInt8]
  ) -> [UInt8] {
    let start = 14 + 40 + behind.count
    return Array("BM".utf8) + little(start + data.count, 4) + little(0, 4) + little(start, 4)
      + little(40, 4) + little(width, 4) + little(height, 4) + little(1, 2) + little(bits, 2)
      + little(coding, 4) + little(data.count, 4) + little(2835, 4) + little(2835, 4)
      + little(0, 8) + behind + data
  }

  func testPlainBMPs() throws {
    // Rows go up, blue comes first, and each row ends on a word.
    let data: [UInt8] = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0]
    let image = try read(bmp(2, 2, bits: 24, data: data))
    XCTAssertEqual(image.pixels.map { $0 * 255 }, [9, 12, 3, 6, 8, 11, 2, 5, 7, 10, 1, 4])
    XCTAssertEqual(image.tags.pixelsPerMeter, SIMD2(2835, 2835))
    let down = try read(bmp(2, -2, bits: 24, data: data))
    XCTAssertEqual(down.pixels.prefix(4).map { $0 * 255 }, [3, 6, 9, 12])
    let masks = [0xF800, 0x07E0, 0x001F].flatMap { little($0, 4) }
    let packed = try read(bmp(1, 1, bits: 16, coding: 3, behind: masks, data: [0xE0, 0xFF, 0, 0]))
    XCTAssertEqual(packed.pixels, [1, 1, 0])
    // Opacity of zero everywhere is none.
    let withAlpha = [0x7C00, 0x03E0, 0x001F, 0x8000].flatMap { little($0, 4) }
    for (high, alpha) in [(UInt8(0x7F), [1, 1]), (0xFF, [0, 1])] as [(UInt8, [Float])] {
      let image = try read(
        bmp(2, 1, bits: 16, coding: 6, behind: withAlpha, data: [0xFF, 0x7F, 0xFF, high]))
      XCTAssertEqual(image.alpha, alpha)
    }
  }

  func testPalettesAndRunsOfBMPs() throws {
    let colors: [UInt8] = (0..<256).flatMap { [UInt8($0), 0, UInt8(255 - $0), 0] }
    let plain = try read(bmp(3, 1, bits: 8, behind: colors, data: [1, 2, 2, 0]))
    XCTAssertEqual(plain.pixels.prefix(3).map { $0 * 255 }, [254, 253, 253])
    // One 1, two 2; then the end of the picture.
    let runs = try read(
      bmp(3, 1, bits: 8, coding: 1, behind: colors, data: [1, 1, 2, 2, 0, 1]))
    XCTAssertEqual(runs.pixels, plain.pixels)
    // Rows that go down, which the format forbids with runs: the end of a row, then the second.
    let down = try read(
      bmp(1, -2, bits: 8, coding: 1, behind: colors, data: [1, 1, 0, 0, 1, 2, 0, 1]))
    XCTAssertEqual(down.pixels.prefix(2).map { $0 * 255 }, [254, 253])
    // Three numbers as they are, padded to a pair.
    let literal = try read(
      bmp(3, 1, bits: 8, coding: 1, behind: colors, data: [0, 3, 1, 2, 2, 0, 0, 1]))
    XCTAssertEqual(literal.pixels, plain.pixels)
    XCTAssertThrowsError(
      try read(bmp(3, 1, bits: 8, coding: 1, behind: colors, data: [1, 1, 2]))
    ) { XCTAssertEqual("\($0)", "test: the file is truncated") }
  }

  /// Whatever stands in a file: an image or one line, never a crash.
  func testRandomDamageNeverCrashes() throws {
    var random = SystemRandomNumberGenerator()
    let colors: [UInt8] = (0..<256).flatMap { [UInt8($0), 0, UInt8(255 - $0), 0] }
    let files = [
      tiff(9, 9, depth: 8, samples: 3, photometric: 2, data: [UInt8](repeating: 9, count: 243)),
      bmp(9, 9, bits: 24, data: [UInt8](repeating: 9, count: 252)),
      bmp(40, 9, bits: 8, coding: 1, behind: colors, data: [40, 3, 0, 0, 0, 2, 5, 5, 0, 1]),
    ]
    for file in files {
      for _ in 0..<300 {
        var damaged = Array(file.prefix(Int.random(in: 1...file.count, using: &random)))
        for _ in 0..<Int.random(in: 0...5, using: &random) {
          damaged[Int.random(in: 0..<damaged.count, using: &random)] = .random(in: 0...255)
        }
        let image = try? read(damaged)
        XCTAssertTrue(image.map { $0.pixels.allSatisfy { (0...1).contains($0) } } ?? true)
      }
    }
  }

  func testTheseAreNotWritten() throws {
    let image = Image(width: 1, height: 1, channels: 1, pixels: [0])
    for format in Set(ImageFormat.readable).subtracting(ImageFormat.writable) {
      XCTAssertThrowsError(try image.encode(format: format)) {
        XCTAssertEqual("\($0)", "\(format.title) is not written")
      }
    }
  }
}
