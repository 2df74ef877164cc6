import Restormer
import XCTest

/// Names of files are bytes, whatever they spell.
final class SystemPathTests: XCTestCase {
  func testEveryNameBecomesOneStringAndItselfAgain() {
    let names: [[UInt8]] = [
      Array("plain.png".utf8), [0xE9, 0x2E, 0x70], [0xE2, 0x82], [0xE2, 0x82, 0x41, 0xFF, 0xC0],
      [0xF4, 0x8F, 0x9E, 0x80, 0x2E], [0xED, 0xA0, 0x80], Array("\u{E9}/e\u{301}".utf8), [],
    ]
    var generator = SystemRandomNumberGenerator()
    let random = (0..<500).map { _ in
      (0..<Int.random(in: 0...12)).map { _ in UInt8.random(in: 1...255, using: &generator) }
    }
    for bytes in names + random {
      let name = String(systemBytes: bytes)
      XCTAssertEqual(name.systemBytes, bytes, "\(bytes)")
    }
    XCTAssertEqual(String(systemBytes: [0x61, 0xE9, 0x2E, 0x62]).printable, "a\u{FFFD}.b")
  }

  func testPartsOfAPath() {
    for (path, folder, name, stem, ending) in [
      ("a/b.c.png", "a", "b.c.png", "b.c", "png"), ("/x", "/", "x", "x", ""),
      (".png", "", ".png", ".png", ""), ("a.", "", "a.", "a.", ""), ("a/b//", "a", "b", "b", ""),
      ("d/\u{301}.PNG", "d", "\u{301}.PNG", "\u{301}", "PNG"), ("", "", "", "", ""),
    ] {
      XCTAssertEqual(path.folderPath, folder, path)
      XCTAssertEqual(path.fileName, name, path)
      XCTAssertEqual(path.fileStem, stem, path)
      XCTAssertEqual(path.fileExtension, ending, path)
    }
    XCTAssertEqual("a/".appending(fileName: "b"), "a/b")
    XCTAssertEqual("".appending(fileName: "b"), "b")
  }

  func testFieldsOfCSVAreQuotedWhereTheyMust() {
    for (text, field) in [
      ("a", "a"), ("a,b", "\"a,b\""), ("a\nb", "\"a\nb\""), ("a\rb", "\"a\rb\""),
      ("a\"b", "\"a\"\"b\""), ("a\r\nb", "\"a\r\nb\""),
    ] {
      XCTAssertEqual(String(decoding: CSV.field(text), as: UTF8.self), field)
    }
  }
}
