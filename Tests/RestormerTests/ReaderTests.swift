import TestSupport
import XCTest

/// Files that the fuzzer sets out from or once found: none of them may end the process.
final class ReaderTests: XCTestCase {
  func testEverySampleIsReadOrRefused() throws {
    for name in try Samples.readers {
      let reader = try XCTUnwrap(Reader(rawValue: name), "\(name) is no reader")
      for file in try Samples.files(name) { reader.read(file.bytes) }
    }
  }
}
