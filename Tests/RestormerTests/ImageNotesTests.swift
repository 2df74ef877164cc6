import Restormer
import XCTest

/// What a file says beside its pixels comes through: profile, colour codes, resolution, EXIF and
/// XMP.
final class ImageNotesTests: XCTestCase {
  private func roundTrip(_ image: Image, _ format: ImageFormat = .png) throws -> Image {
    try image.encode(format: format).withUnsafeBytes { try Image(bytes: $0) }
  }

  private func pixelFile(_ chunks: [(String, [UInt8])]) -> [UInt8] {
    var builder = ImagePNGBuilder(width: 2, height: 1, bitDepth: 8, colorType: 2) { _, _, _ in 9 }
    builder.before = chunks
    return builder.bytes
  }

  private func pixel(_ chunks: [(String, [UInt8])]) throws -> Image {
    try pixelFile(chunks).withUnsafeBytes { try Image(bytes: $0) }
  }

  private func profile(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 7, count: count)
    bytes.replaceSubrange(0..<4, with: ImagePNGBuilder.number(count))
    bytes.replaceSubrange(16..<20, with: "RGB ".utf8)
    return bytes
  }

  /// A profile is whole when it has the length that it claims, whatever its stream's checksum.
  func testAProfileOfWholeLengthIsKept() throws {
    let icc = profile(200)
    let packed = ImagePNGBuilder.deflated(icc)
    let name = Array("p\0\0".utf8)
    let cases: [([UInt8], Bool)] = [
      (packed, true), (Array(packed.dropLast(4)), true), (packed.dropLast() + [0xAA], true),
      (Array(packed.dropLast(100)), false),
    ]
    for (stream, isKept) in cases {
      let image = try pixel([("iCCP", name + stream)])
      XCTAssertEqual(image.iccProfile, isKept ? icc : nil)
      XCTAssertEqual(image.remarks.isEmpty, isKept)
    }
  }

  func testColourCodesAreKept() throws {
    let image = try pixel([("cICP", [12, 16, 0, 1])])
    XCTAssertEqual(image.tags.codingPoints, [12, 16, 0, 1])
    XCTAssertEqual(try roundTrip(image).tags, image.tags)
  }

  func testAnAspectRatioIsKept() throws {
    let ratio = ImagePNGBuilder.number(2) + ImagePNGBuilder.number(1) + [0]
    let image = try pixel([("pHYs", ratio)])
    XCTAssertNil(image.tags.pixelsPerMeter)
    for format in ImageFormat.writable {
      XCTAssertEqual(try roundTrip(image, format).tags.aspect, SIMD2(2, 1))
    }
  }

  /// JPEG says by a profile what PNG says by gAMA and cHRM.
  func testGammaAndPrimariesReachAJPEG() throws {
    let linear = try pixel([("gAMA", ImagePNGBuilder.number(100_000))])
    let icc = try XCTUnwrap(roundTrip(linear, .jpeg).iccProfile)
    XCTAssertEqual(icc.count, Int(icc[2]) << 8 | Int(icc[3]))
    XCTAssertEqual(Array(icc[36..<40]), Array("acsp".utf8))
    // One entry, the exponent 1 as 8 bits before and behind the point.
    XCTAssertNotNil(icc.firstRange(of: Array("curv".utf8) + [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]))
    // The red of sRGB under D50 is X 0.4361 = 28,578 / 65,536.
    let red = try XCTUnwrap(icc.firstRange(of: Array("XYZ \0\0\0\0".utf8)))
    XCTAssertLessThan(red.lowerBound, icc.count)
    let usual = try pixel([("gAMA", ImagePNGBuilder.number(45_455))])
    XCTAssertNil(try roundTrip(usual, .jpeg).iccProfile)
  }

  /// What JPEG has no room or no words for is left out, and said.
  func testWhatAJPEGCannotHoldIsNamed() throws {
    let codes = try Bitmap(file: pixelFile([("cICP", [12, 16, 0, 1])]))
    XCTAssertEqual(codes.losses(as: .png), [])
    XCTAssertEqual(codes.losses(as: .jpeg), ["its colours as of cICP, which JPEG cannot name"])
    let exif = imageEXIF(orientation: 1, littleEndian: true)
    let keyword = Array("XML:com.adobe.xmp\0\0\0\0\0".utf8)
    for (room, isHeld) in [(65_533, true), (65_534, false)] {
      let chunks = [
        ("eXIf", exif + [UInt8](repeating: 1, count: room - 6 - exif.count)),
        ("iTXt", keyword + [UInt8](repeating: 32, count: room - 29)),
      ]
      let image = try Bitmap(file: pixelFile(chunks))
      XCTAssertEqual(image.losses(as: .jpeg).count, isHeld ? 0 : 2)
      let back = try Bitmap(file: image.encode(format: .jpeg))
      XCTAssertEqual(back.tags.exif, isHeld ? image.tags.exif : nil)
      XCTAssertEqual(back.tags.xmp, isHeld ? image.tags.xmp : nil)
    }
    // A profile is spread over segments.
    var image = codes
    image.iccProfile = profile(200_000)
    XCTAssertEqual(try Bitmap(file: image.encode(format: .jpeg)).iccProfile, image.iccProfile)
    image.iccProfile = profile(255 * 65_519 + 1)
    XCTAssertEqual(image.losses(as: .jpeg).count, 2)
    XCTAssertNil(try Bitmap(file: image.encode(format: .jpeg)).iccProfile)
  }

  func testABrokenProfileInAJPEGIsLeftOutAndSaid() throws {
    let whole = try pixel([]).encode(format: .jpeg)
    // The second part of one.
    let broken = Array("ICC_PROFILE\0".utf8) + [2, 1] + profile(140)
    let image = try Bitmap(file: imageJPEG(whole, inserting: 0xE2, broken))
    XCTAssertNil(image.iccProfile)
    XCTAssertEqual(image.remarks, ["its colour profile is damaged and was left out"])
  }

  func testEXIFIsCarriedOverUpright() throws {
    for isLittle in [false, true] {
      let exif = imageEXIF(orientation: 6, littleEndian: isLittle)
      let image = try pixel([("eXIf", exif)])
      XCTAssertEqual([image.width, image.height], [1, 2])
      XCTAssertEqual(image.tags.exif, imageEXIF(orientation: 1, littleEndian: isLittle))
      for format in ImageFormat.writable {
        let back = try roundTrip(image, format)
        XCTAssertEqual([back.width, back.height], [1, 2])
        XCTAssertEqual(back.tags.exif, image.tags.exif)
      }
    }
  }

  func testOrientationInXMPIsHonouredAndReset() throws {
    for text in ["<x tiff:Orientation=\"8\"/>", "<tiff:Orientation>8</tiff:Orientation>"] {
      let chunk = Array("XML:com.adobe.xmp\0\0\0\0\0".utf8) + Array(text.utf8)
      let image = try pixel([("iTXt", chunk)])
      XCTAssertEqual([image.width, image.height], [1, 2])
      let upright = Array(text.replacing("8", with: "1").utf8)
      for format in ImageFormat.writable {
        XCTAssertEqual(try roundTrip(image, format).tags.xmp, upright)
      }
    }
  }

  /// EXIF's own word counts before that of XMP.
  func testResolutionInEXIFAlone() throws {
    // Big-endian: x and y of 300 / 1 per inch behind a folder of three entries.
    let at = 8 + 2 + 3 * 12 + 4
    var exif: [UInt8] = Array("MM\0*".utf8) + ImagePNGBuilder.number(8) + [0, 3]
    for (tag, place) in [(0x1A, at), (0x1B, at + 8)] {
      exif += [1, UInt8(tag), 0, 5, 0, 0, 0, 1] + ImagePNGBuilder.number(place)
    }
    exif += [1, 0x28, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0] + ImagePNGBuilder.number(0)
    for value in [300, 1, 300, 1] { exif += ImagePNGBuilder.number(value) }
    let image = try pixel([("eXIf", exif)])
    XCTAssertEqual(image.tags.pixelsPerMeter, SIMD2(11_811, 11_811))
    XCTAssertEqual(try roundTrip(image, .jpeg).tags.pixelsPerMeter, SIMD2(11_811, 11_811))
  }

  func testHostileEXIFIsOnlyCarried() throws {
    var generator = SystemRandomNumberGenerator()
    let whole = imageEXIF(orientation: 3, littleEndian: true)
    for _ in 0..<300 {
      var exif = whole
      for _ in 0..<4 {
        exif[Int.random(in: 4..<whole.count, using: &generator)] = .random(in: 0...255)
      }
      XCTAssertEqual(try pixel([("eXIf", exif)]).tags.exif?.count, exif.count)
    }
  }
}

extension Bitmap {
  init(file: [UInt8]) throws {
    self = try file.withUnsafeBytes { try Bitmap(bytes: $0) }
  }
}
