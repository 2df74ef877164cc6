import CLBackend
import XCTest

final class TransferTests: XCTestCase {
  private static let guardByte: UInt8 = 0xA5

  func testBytesReturnFromAnyOffset() throws {
    let context = try SharedContext.get()
    let buffer = try context.makeBuffer([UInt8](repeating: Self.guardByte, count: 101))
    let values = (0..<37).map { _ in UInt8.random(in: 0...255) }
    try values.withUnsafeBytes { try context.write($0, to: buffer, offset: 13) }
    var back = [UInt8](repeating: 0, count: 37)
    try back.withUnsafeMutableBytes { try context.read($0, from: buffer, offset: 13) }
    XCTAssertEqual(back, values)
    let all = try context.values(of: buffer, as: UInt8.self)
    XCTAssertTrue((all[..<13] + all[50...]).allSatisfy { $0 == Self.guardByte })
  }

  func testRowsReturnAndLeaveTheGapsAlone() throws {
    let context = try SharedContext.get()
    for (offset, rowBytes, rows, pitch) in [
      (0, 20, 5, 32), (8, 7, 3, 7), (64, 12, 1, 100), (4, 1, 9, 3), (12, 4, 2, 260),
    ] {
      let size = offset + rows * pitch + 16
      let buffer = try context.makeBuffer([UInt8](repeating: Self.guardByte, count: size))
      let values = (0..<rows * rowBytes).map { _ in UInt8.random(in: 0...255) }
      try context.writeRows(
        values, to: buffer, offset: offset, rowBytes: rowBytes, rows: rows, pitch: pitch)
      var expected = [UInt8](repeating: Self.guardByte, count: size)
      for row in 0..<rows {
        let start = offset + row * pitch
        expected.replaceSubrange(
          start..<start + rowBytes, with: values[row * rowBytes..<(row + 1) * rowBytes])
      }
      XCTAssertEqual(try context.values(of: buffer, as: UInt8.self), expected)
      var back = [UInt8](repeating: Self.guardByte, count: values.count + 8)
      try context.readRows(
        &back, from: buffer, offset: offset, rowBytes: rowBytes, rows: rows, pitch: pitch)
      XCTAssertEqual(Array(back.prefix(values.count)), values)
      XCTAssertTrue(back.suffix(8).allSatisfy { $0 == Self.guardByte })
    }
  }

  func testNothingToCopyIsNoError() throws {
    let context = try SharedContext.get()
    let buffer = try context.makeBuffer([Float](repeating: 2, count: 4))
    let none = [Float]()
    var target: Float = 5
    try none.withUnsafeBytes { try context.write($0, to: buffer, offset: 0) }
    try context.readRows(&target, from: buffer, offset: 0, rowBytes: 4, rows: 0, pitch: 8)
    try context.readRows(&target, from: buffer, offset: 0, rowBytes: 0, rows: 2, pitch: 8)
    try context.fill(buffer, offset: 4, bytes: 0, with: 7)
    try context.copy(from: buffer, sourceOffset: 0, to: buffer, offset: 8, bytes: 0)
    XCTAssertEqual(target, 5)
    XCTAssertEqual(try context.values(of: buffer, as: Float.self), [2, 2, 2, 2])
  }

  func testFillAndCopyKeepToTheirRange() throws {
    let context = try SharedContext.get()
    let source = try context.makeBuffer([Float](repeating: 1, count: 8))
    let target = try context.makeBuffer([Float](repeating: 2, count: 8))
    try context.fill(source, offset: 8, bytes: 12, with: -3.5)
    XCTAssertEqual(
      try context.values(of: source, as: Float.self), [1, 1, -3.5, -3.5, -3.5, 1, 1, 1])
    try context.copy(from: source, sourceOffset: 4, to: target, offset: 12, bytes: 12)
    XCTAssertEqual(try context.values(of: target, as: Float.self), [2, 2, 2, 1, -3.5, -3.5, 2, 2])
  }

  func testRangesOutsideTheBufferAreErrors() throws {
    let context = try SharedContext.get()
    let buffer = try context.makeBuffer([Float](repeating: 0, count: 4))
    let values = [Float](repeating: 1, count: 8)
    let write = try openCLError {
      try values.withUnsafeBytes { try context.write($0, to: buffer, offset: 8) }
    }
    XCTAssertTrue(write.description.contains("32 bytes at 8 of a buffer of 16"), "\(write)")
    let rows = try openCLError {
      try context.writeRows(values, to: buffer, offset: 0, rowBytes: 4, rows: 3, pitch: 8)
    }
    XCTAssertTrue(rows.description.contains("3 rows of 4 bytes"), "\(rows)")
    let fill = try openCLError { try context.fill(buffer, offset: 16, bytes: 4, with: 0) }
    XCTAssertEqual(fill.codeName, "CL_INVALID_VALUE")
    let copy = try openCLError {
      try context.copy(from: buffer, sourceOffset: 0, to: buffer, offset: 12, bytes: 8)
    }
    XCTAssertEqual(copy.call, "clEnqueueCopyBuffer")
  }
}
