import Restormer
import XCTest

/// The bytes of event files: checksums from RFC 3720's test vectors, fields as protocol buffers
/// encode them.
final class EventsTests: XCTestCase {
  func testChecksumVectors() {
    XCTAssertEqual(EventWriter.crc32c([UInt8](repeating: 0, count: 32)), 0x8A91_36AA)
    XCTAssertEqual(EventWriter.crc32c([UInt8](repeating: 0xFF, count: 32)), 0x62A8_AB43)
    XCTAssertEqual(EventWriter.crc32c((0..<32).map { UInt8($0) }), 0x46DD_794E)
  }

  func testAScalarEventHasTheDocumentedBytes() {
    let value = Message().string(1, "a").float(2, 1.5)
    let event = EventWriter.event(
      step: 300, field: Message().message(5, Message().message(1, value)), time: 2)
    XCTAssertEqual(
      event,
      [0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0xAC, 0x02, 0x2A, 0x0A, 0x0A, 0x08]
        + [0x0A, 0x01, 0x61, 0x15, 0, 0, 0xC0, 0x3F])
  }

  func testARecordFramesItsData() {
    let record = EventWriter.record([1, 2, 3])
    XCTAssertEqual(Array(record[..<8]), [3, 0, 0, 0, 0, 0, 0, 0])
    XCTAssertEqual(Array(record[12..<15]), [1, 2, 3])
    XCTAssertEqual(record.count, 8 + 4 + 3 + 4)
  }
}
