import Basics
import Kernels
import Restormer
import TestSupport
import XCTest

/// Damaged, foreign and unreachable files: one clear line each, never a crash or half an image.
final class ImageDamageTests: XCTestCase {
  private func fault(_ path: String, file: StaticString = #filePath, line: UInt = #line) -> String {
    var text = ""
    XCTAssertThrowsError(try Image(contentsOf: path), file: file, line: line) { error in
      text = String(describing: error)
      XCTAssertTrue(error is ImageError, file: file, line: line)
      XCTAssertTrue(text.hasPrefix(path + ": "), text, file: file, line: line)
      XCTAssertFalse(text.contains("\n"), text, file: file, line: line)
    }
    return String(text.dropFirst(path.count + 2))
  }

  private func sample(channels: Int = 3, bitDepth: Int = 8) -> Image {
    var random = SystemRandomNumberGenerator()
    let pixels = (0..<channels * 40 * 30).map { _ in Float.random(in: 0...1, using: &random) }
    return Image(width: 40, height: 30, channels: channels, pixels: pixels, bitDepth: bitDepth)
  }

  func testForeignFiles() throws {
    let scratch = try ImageScratch()
    let cases: [([UInt8], String)] = [
      ([], "the file is empty"),
      (
        Array("hello, this is text".utf8),
        "not an image of the formats PNG, JPEG, TIFF, WebP and BMP"
      ),
      ([7], "not an image of the formats PNG, JPEG, TIFF, WebP and BMP"),
      (Array("GIF89a......".utf8), "a GIF file; only PNG, JPEG, TIFF, WebP and BMP are read"),
      (Array("RIFF....WEBPVP8 ".utf8), "is damaged or truncated"),
      ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "the file is truncated"),
      ([0xFF, 0xD8, 0xFF], "the file is truncated"),
    ]
    for (bytes, expected) in cases {
      XCTAssertEqual(fault(try scratch.write(bytes)), expected)
    }
  }

  func testUnreachableFiles() throws {
    let scratch = try ImageScratch()
    XCTAssertEqual(fault(scratch.path), "is a folder, not an image file")
    XCTAssertEqual(fault(scratch.file("none")), "cannot open: No such file or directory")
    XCTAssertEqual(fault("/dev/null"), "is not a regular file")
    if getuid() != 0 {
      let path = try scratch.write([1])
      chmod(path, 0)
      XCTAssertEqual(fault(path), "cannot open: Permission denied")
    }
  }

  func testHugeClaims() throws {
    let scratch = try ImageScratch()
    for (width, height) in [(100_000, 100_000), (65_536, 1), (60_000, 60_000)] {
      var builder = ImagePNGBuilder(width: 1, height: 1, bitDepth: 8, colorType: 2) { _, _, _ in 0 }
      builder.sample = { _, _, _ in 0 }
      let bytes = claiming(width, height, in: builder.bytes)
      XCTAssertEqual(
        fault(try scratch.write(bytes)),
        "\(width) x \(height) pixels is larger than the supported 65535 x 65535 or 1 gigapixel")
    }
    let small = ImagePNGBuilder(width: 1, height: 1, bitDepth: 8, colorType: 2) { _, _, _ in 0 }
    XCTAssertTrue(
      fault(try scratch.write(claiming(20_000, 20_000, in: small.bytes)))
        .hasPrefix("the file is truncated: "))
    XCTAssertEqual(
      fault(try scratch.write(claiming(0, 5, in: small.bytes))), "Invalid IHDR data")
  }

  private func claiming(_ width: Int, _ height: Int, in file: [UInt8]) -> [UInt8] {
    let header = ImagePNGBuilder.number(width) + ImagePNGBuilder.number(height) + file[24..<29]
    return Array(file[..<8]) + ImagePNGBuilder.chunk("IHDR", header) + file[33...]
  }

  func testCutFilesAreErrors() throws {
    for format in ImageFormat.writable {
      let whole = try sample().encode(format: format)
      for count in stride(from: 0, to: whole.count - 40, by: 97) {
        XCTAssertThrowsError(
          try whole[..<count].withUnsafeBytes { try Image(bytes: $0) }, "\(format) \(count)")
      }
    }
    let gray = try sample(channels: 1, bitDepth: 16).encode(format: .png)
    for count in stride(from: 0, to: gray.count, by: 97) {
      XCTAssertThrowsError(try gray[..<count].withUnsafeBytes { try Image(bytes: $0) })
    }
  }

  /// Cut behind the last pixel: every pixel is there, and what is missing is said.
  func testAMissingEndIsRemarked() throws {
    for format in ImageFormat.writable {
      let whole = try sample().encode(format: format)
      let image = try whole.withUnsafeBytes { try Image(bytes: $0) }
      XCTAssertEqual(image.remarks, [])
      for count in whole.count - (format == .png ? 12 : 2)..<whole.count {
        let cut = try whole[..<count].withUnsafeBytes { try Image(bytes: $0) }
        XCTAssertEqual(cut.pixels, image.pixels)
        XCTAssertEqual(
          cut.remarks, ["the end of the file is missing or damaged, all pixels are there"])
      }
    }
  }

  /// The checksum of a PNG's pixels stands behind them, and that of their chunk behind it: no pixel
  /// is missing without them.
  func testAPNGWhosePixelsAreAllThereIsRead() throws {
    let end = "the end of the file is missing or damaged, all pixels are there"
    for value in [7, nil] as [Int?] {
      var noise = SplitMix64(seed: 1)
      let samples = (0..<60 * 40).map { _ in value ?? Int(noise.next() % 256) }
      let builder = ImagePNGBuilder(width: 60, height: 40, bitDepth: 8, colorType: 0) { x, y, _ in
        samples[y * 60 + x]
      }
      let whole = builder.bytes
      let image = try whole.withUnsafeBytes { try Image(bytes: $0) }
      let (head, pixels) = builder.parts
      let wrong = head + ImagePNGBuilder.chunk("IDAT", pixels.dropLast() + [pixels.last! ^ 1])
      var files = [
        (
          wrong + ImagePNGBuilder.chunk("IEND", []),
          "the checksum of its pixels is wrong, all of them are there"
        ),
        (
          Array(whole.dropLast(12)) + ImagePNGBuilder.chunk("tRNS", [0, 7])
            + ImagePNGBuilder.chunk("IEND", []),
          "its transparency (tRNS) is invalid and was left out"
        ),
      ]
      // Within the chunk's checksum, then within that of the pixels.
      files += (13...20).map { (Array(whole.dropLast($0)), end) }
      for (file, remark) in files {
        let read = try file.withUnsafeBytes { try Image(bytes: $0) }
        XCTAssertEqual(read.pixels, image.pixels)
        XCTAssertNil(read.alpha)
        XCTAssertEqual(read.remarks.first, remark)
      }
      XCTAssertThrowsError(
        try Array(whole.dropLast(30)).withUnsafeBytes { try Image(bytes: $0) })
    }
  }

  /// A decoder of arithmetic code goes on with zeros behind the end of a file: what is cut is read
  /// only where all pixels are there whatever stood behind, and then they are those of the whole.
  func testACutArithmeticJPEGIsReadOnlyWithAllItsPixels() throws {
    for name in ["arithmetic.jpg", "arithmetic-progressive.jpg", "arithmetic-restarts.jpg"] {
      let whole = try Samples.file("jpeg", name)
      let image = try whole.withUnsafeBytes { try Image(bytes: $0) }
      XCTAssertEqual(image.remarks, [])
      var read = 0
      for count in 1..<whole.count {
        let part = Array(whole.dropLast(count))
        guard let cut = try? part.withUnsafeBytes({ try Image(bytes: $0) }) else { continue }
        read += 1
        XCTAssertEqual(cut.pixels, image.pixels, "\(name) without \(count) bytes")
        XCTAssertEqual(
          cut.remarks, ["the end of the file is missing or damaged, all pixels are there"])
      }
      // Without its last marker; a third of such files are refused, as zeros that their coder left
      // out may count.
      XCTAssertEqual(read, 2, name)
    }
  }

  func testAnyFlippedBitBeforeTheEndOfAPNGIsAnError() throws {
    let whole = try sample().encode(format: .png)
    for i in stride(from: 0, to: whole.count - 12, by: 13) {
      var damaged = whole
      damaged[i] ^= 1 << UInt8(i % 8)
      XCTAssertThrowsError(try damaged.withUnsafeBytes { try Image(bytes: $0) }, "byte \(i)")
    }
  }

  /// A chunk without pixels is left out when its checksum is wrong, and the same goes for
  /// transparency that libpng does not take.
  func testDamagedChunksWithoutPixelsAreLeftOut() throws {
    var builder = ImagePNGBuilder(width: 2, height: 1, bitDepth: 8, colorType: 3) { x, _, _ in x }
    builder.before = [("PLTE", [1, 2, 3, 4, 5, 6])]
    let plain = try builder.bytes.withUnsafeBytes { try Image(bytes: $0) }
    for damage in [[UInt8](repeating: 7, count: 3), []] {
      builder.before = [("PLTE", [1, 2, 3, 4, 5, 6]), ("tRNS", damage)]
      let image = try builder.bytes.withUnsafeBytes { try Image(bytes: $0) }
      XCTAssertNil(image.alpha)
      XCTAssertEqual(image.pixels, plain.pixels)
      XCTAssertEqual(image.remarks, ["its transparency (tRNS) is invalid and was left out"])
    }
    builder.before = [("PLTE", [1, 2, 3, 4, 5, 6]), ("tEXt", Array("Title\0x".utf8))]
    var bytes = builder.bytes
    let text = try XCTUnwrap(bytes.firstRange(of: Array("Title".utf8))?.lowerBound)
    bytes[text] ^= 1
    let image = try bytes.withUnsafeBytes { try Image(bytes: $0) }
    XCTAssertEqual(image.pixels, plain.pixels)
    XCTAssertEqual(image.remarks, ["tEXt: CRC error"])
  }

  /// Cameras and editors leave bytes before a marker; decoders pass over them.
  func testStrayBytesBeforeAMarker() throws {
    let whole = try sample().encode(format: .jpeg)
    let image = try whole.withUnsafeBytes { try Image(bytes: $0) }
    // Stray bytes, fill bytes and a marker without length, right behind the start.
    for stray: [UInt8] in [[0, 0, 7], [0xFF, 0xFF], [0xFF, 0x01]] {
      let bytes = Array(whole[..<2]) + stray + whole[2...]
      let read = try bytes.withUnsafeBytes { try Image(bytes: $0) }
      XCTAssertEqual(read.pixels, image.pixels)
      XCTAssertEqual(read.remarks.isEmpty, stray[0] == 0xFF)
    }
  }

  func testADamagedChecksumIsNamed() throws {
    let scratch = try ImageScratch()
    var bytes = try sample().encode(format: .png)
    bytes[bytes.count - 14] ^= 0x10
    XCTAssertEqual(fault(try scratch.write(bytes)), "IDAT: CRC error")
  }

  func testRandomDamageNeverCrashes() throws {
    var random = SystemRandomNumberGenerator()
    for format in ImageFormat.writable {
      let whole = try sample().encode(format: format)
      for _ in 0..<400 {
        var damaged = whole
        for _ in 0..<Int.random(in: 1...6, using: &random) {
          damaged[Int.random(in: 0..<whole.count, using: &random)] = .random(in: 0...255)
        }
        // Entropy-coded data of a JPEG has no checksum: some damage still decodes.
        let image = try? damaged.withUnsafeBytes { try Image(bytes: $0) }
        XCTAssertTrue(image.map { $0.pixels.allSatisfy { (0...1).contains($0) } } ?? true)
      }
      for _ in 0..<200 {
        let start = Array(whole[..<Int.random(in: 2...40, using: &random)])
        let noise = start + (0..<300).map { _ in UInt8.random(in: 0...255, using: &random) }
        XCTAssertThrowsError(try noise.withUnsafeBytes { try Image(bytes: $0) })
      }
    }
  }

  func testUnwritableTargets() throws {
    let scratch = try ImageScratch()
    let image = sample()
    for format in ImageFormat.writable {
      for path in [scratch.file("none/a.png"), scratch.path, "/dev/null"] {
        XCTAssertThrowsError(try image.write(to: path, format: format)) { error in
          XCTAssertTrue(error is ImageError)
          XCTAssertTrue(String(describing: error).hasPrefix(path + ": cannot "), "\(error)")
        }
      }
    }
    XCTAssertEqual(scratch.names, [])
  }

  func testTooWideForAJPEG() throws {
    let strip = Image(
      width: 65_530, height: 1, channels: 1, pixels: [Float](repeating: 0, count: 65_530))
    XCTAssertNoThrow(try strip.encode(format: .png))
    XCTAssertThrowsError(try strip.encode(format: .jpeg)) {
      XCTAssertEqual(
        String(describing: $0), "Maximum supported image dimension is 65500 pixels")
    }
  }
}
