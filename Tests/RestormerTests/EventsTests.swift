import Restormer
import XCTest

/// How event files frame events: checksums from RFC 3720's test vectors.
final class EventsTests: XCTestCase {
  func testChecksumVectors() {
    XCTAssertEqual(EventWriter.crc32c([UInt8](repeating: 0, count: 32)), 0x8A91_36AA)
    XCTAssertEqual(EventWriter.crc32c([UInt8](repeating: 0xFF, count: 32)), 0x62A8_AB43)
    XCTAssertEqual(EventWriter.crc32c((0..<32).map { UInt8($0) }), 0x46DD_794E)
  }

  func testARecordFramesItsData() {
    let record = EventWriter.record([1, 2, 3])
    XCTAssertEqual(Array(record[..<8]), [3, 0, 0, 0, 0, 0, 0, 0])
    XCTAssertEqual(Array(record[12..<15]), [1, 2, 3])
    XCTAssertEqual(record.count, 8 + 4 + 3 + 4)
  }
}
