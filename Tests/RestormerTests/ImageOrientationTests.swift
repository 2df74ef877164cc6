import Restormer
import XCTest

/// The eight ways a camera can lie.
final class ImageOrientationTests: XCTestCase {
  /// The upright pixels of a stored 3 x 2 image a b c / d e f, and their width.
  private let upright: [(pixels: String, width: Int)] = [
    ("abcdef", 3), ("cbafed", 3), ("fedcba", 3), ("defabc", 3), ("adbecf", 2), ("daebfc", 2),
    ("fcebda", 2), ("cfbead", 2),
  ]

  func testPNG() throws {
    let scratch = try ImageScratch()
    for orientation in 1...8 {
      for (littleEndian, late) in [(false, false), (true, true)] {
        let exif = ("eXIf", imageEXIF(orientation: orientation, littleEndian: littleEndian))
        var builder = ImagePNGBuilder(width: 3, height: 2, bitDepth: 8, colorType: 6) {
          x, y, _ in 97 + x + 3 * y
        }
        if late { builder.after = [exif] } else { builder.before = [exif] }
        let path = try scratch.write(builder.bytes)
        let (pixels, width) = upright[orientation - 1]
        let image = try Image(contentsOf: path)
        let letters = image.pixels.map { UInt8($0 * 255 + 0.5) }
        XCTAssertEqual(String(decoding: letters, as: UTF8.self), pixels + pixels + pixels)
        XCTAssertEqual(image.alpha, Array(image.pixels[..<6]))
        XCTAssertEqual(image.width, width)
        XCTAssertEqual(image.height, 6 / width)
        XCTAssertEqual(try Image.header(of: path).width, width)
        let again = try image.encode(format: .png)
        let back = try again.withUnsafeBytes { try Image(bytes: $0) }
        XCTAssertEqual(back.pixels, image.pixels)
        XCTAssertEqual(back.width, width)
      }
    }
  }

  func testJPEG() throws {
    // Six flat blocks of 8 x 8, so that compression leaves their levels apart.
    let levels: [Float] = (0..<6).map { Float($0) / 5 }
    let rows = [levels[..<3], levels[3...]].map { row in
      row.flatMap { [Float](repeating: $0, count: 8) }
    }
    let pixels = rows.flatMap { row in (0..<8).flatMap { _ in row } }
    let stored = try Image(width: 24, height: 16, channels: 1, pixels: pixels).encode(format: .jpeg)
    for orientation in 1...8 {
      let exif = imageEXIF(orientation: orientation, littleEndian: orientation % 2 == 0)
      let file = imageJPEG(stored, inserting: 0xE1, Array("Exif\0\0".utf8) + exif)
      let image = try file.withUnsafeBytes { try Image(bytes: $0) }
      let (letters, width) = upright[orientation - 1]
      XCTAssertEqual(image.width, 8 * width)
      XCTAssertEqual(image.height, 8 * 6 / width)
      for (i, letter) in letters.utf8.enumerated() {
        let (x, y) = (i % width * 8 + 4, i / width * 8 + 4)
        XCTAssertEqual(image.pixels[y * image.width + x], levels[Int(letter) - 97], accuracy: 0.02)
      }
    }
  }

  func testBrokenEXIFMeansUpright() throws {
    let whole = imageEXIF(orientation: 6, littleEndian: true)
    let broken: [[UInt8]] =
      [[], [1, 2, 3], imageEXIF(orientation: 9, littleEndian: false)]
      + (0..<whole.count - 12).map { Array(whole[..<$0]) }
    for exif in broken {
      let stored = try Image(width: 2, height: 1, channels: 1, pixels: [0, 1]).encode(format: .jpeg)
      let file = imageJPEG(stored, inserting: 0xE1, Array("Exif\0\0".utf8) + exif)
      XCTAssertEqual(try file.withUnsafeBytes { try Image(bytes: $0) }.width, 2)
    }
  }
}
