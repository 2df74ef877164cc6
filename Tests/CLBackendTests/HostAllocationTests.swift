import CLBackend
import Foundation
import XCTest

final class HostAllocationTests: XCTestCase {
  func testMemoryIsAlignedAndWritable() throws {
    for bytes in [1, 1000, 8 << 20, (9 << 20) + 12] {
      let memory = try XCTUnwrap(HostAllocation.make(bytes: bytes))
      defer { free(memory) }
      XCTAssertEqual(Int(bitPattern: memory) % (bytes < 8 << 20 ? 256 : 2 << 20), 0, "\(bytes)")
      memset(memory, 7, bytes)
      XCTAssertEqual(memory.load(fromByteOffset: bytes - 1, as: UInt8.self), 7)
    }
  }

  func testMoreThanThereIsGivesNothing() {
    XCTAssertNil(HostAllocation.make(bytes: 1 << 60))
  }

  /// Buffers that go while commands on them wait: the memory goes after the commands, and goes.
  func testLargeBuffersAreGivenBackOnceTheirCommandsAreDone() throws {
    let context = try SharedContext.get()
    let (size, rounds) = (16 << 20, 100)
    #if os(Linux)
      let before = try residentBytes()
    #endif
    for round in 0..<rounds {
      let buffer = try context.makeBuffer(bytes: size)
      try context.fill(buffer, offset: 0, bytes: size, with: Float(round))
    }
    try context.finish()
    let last = try context.makeBuffer(bytes: size)
    try context.fill(last, offset: 0, bytes: size, with: 0.5)
    XCTAssertEqual(try context.values(of: last, as: Float.self).last, 0.5)
    #if os(Linux)
      // Whatever other tests of the process hold.
      let growth = try residentBytes() - before
      XCTAssertLessThan(growth, rounds * size / 2, "the buffers' memory stays")
    #endif
  }

  #if os(Linux)
    private func residentBytes() throws -> Int {
      let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        .split(separator: " ")[1]
      return try XCTUnwrap(Int(pages)) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
  #endif
}
