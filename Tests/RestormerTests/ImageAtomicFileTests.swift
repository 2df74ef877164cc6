import Restormer
import XCTest

final class ImageAtomicFileTests: XCTestCase {
  private func bytes(at path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  func testWritesAndReplaces() throws {
    let scratch = try ImageScratch()
    let path = scratch.file("a.bin")
    try writeAtomically([1, 2, 3], to: path)
    XCTAssertEqual(try bytes(at: path), [1, 2, 3])
    try writeAtomically([], to: path)
    XCTAssertEqual(try bytes(at: path), [])
    XCTAssertEqual(scratch.names, ["a.bin"])
  }

  func testUncommittedFileLeavesTheOldOne() throws {
    let scratch = try ImageScratch()
    let path = scratch.file("a.bin")
    try writeAtomically([7], to: path)
    do {
      let file = try AtomicFile(path: path)
      try [UInt8](repeating: 1, count: 100).withUnsafeBytes { try file.write($0) }
      XCTAssertEqual(scratch.names.count, 2)
    }
    XCTAssertEqual(scratch.names, ["a.bin"])
    XCTAssertEqual(try bytes(at: path), [7])
  }

  func testManyWritersAtOnceLeaveOneWholeFile() throws {
    let scratch = try ImageScratch()
    let path = scratch.file("a.bin")
    // Where no file is, one may appear between two looks.
    for _ in 0..<10 {
      unlink(path)
      DispatchQueue.concurrentPerform(iterations: 16) { writer in
        do {
          try writeAtomically([UInt8](repeating: UInt8(writer), count: 4096), to: path)
        } catch {
          XCTFail("\(error)")
        }
      }
      let result = try bytes(at: path)
      XCTAssertEqual(result.count, 4096)
      XCTAssertEqual(Set(result).count, 1)
      XCTAssertEqual(scratch.names, ["a.bin"])
    }
  }

  func testALongNameIsWritten() throws {
    let scratch = try ImageScratch()
    let name = String(repeating: "é", count: 125) + ".png"
    try writeAtomically([1], to: scratch.file(name))
    XCTAssertEqual(scratch.names.count, 1)
  }

  func testALinkStaysALink() throws {
    let scratch = try ImageScratch()
    try writeAtomically([1], to: scratch.file("real"))
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("link"), withDestinationPath: scratch.file("real"))
    try writeAtomically([2], to: scratch.file("link"))
    XCTAssertEqual(try bytes(at: scratch.file("real")), [2])
    XCTAssertNoThrow(
      try FileManager.default.destinationOfSymbolicLink(atPath: scratch.file("link")))
  }

  private func status(_ path: String) -> stat {
    var result = stat()
    XCTAssertEqual(stat(path, &result), 0, path)
    return result
  }

  func testPermissionsAreHandedDown() throws {
    let scratch = try ImageScratch()
    let path = scratch.file("a.bin")
    for mode: mode_t in [0o600, 0o640, 0o444, 0o755] {
      try writeAtomically([1], to: path)
      XCTAssertEqual(chmod(path, mode), 0)
      try writeAtomically([2, 3], to: path)
      XCTAssertEqual(status(path).st_mode & 0o777, mode)
      XCTAssertEqual(try bytes(at: path), [2, 3])
      unlink(path)
    }
    try writeAtomically([1], to: path)
    guard getuid() == 0, chown(path, 12, 34) == 0 else { return }
    try writeAtomically([2], to: path)
    XCTAssertEqual(status(path).st_uid, 12)
    XCTAssertEqual(status(path).st_gid, 34)
  }

  /// Both names of a file show the new bytes, longer or shorter than the old ones.
  func testNamesOfOneFileStayTogether() throws {
    let scratch = try ImageScratch()
    let (path, other) = (scratch.file("a.bin"), scratch.file("b.bin"))
    try writeAtomically([1, 2, 3], to: path)
    XCTAssertEqual(link(path, other), 0)
    for content: [UInt8] in [[4], [5, 6, 7, 8, 9], []] {
      try writeAtomically(content, to: other)
      XCTAssertEqual(try bytes(at: path), content)
      XCTAssertEqual(status(path).st_ino, status(other).st_ino)
    }
    XCTAssertEqual(scratch.names, ["a.bin", "b.bin"])
  }

  func testALinkToNothingIsNotReplaced() throws {
    let scratch = try ImageScratch()
    XCTAssertEqual(symlink("nothing", scratch.file("link")), 0)
    XCTAssertThrowsError(try writeAtomically([1], to: scratch.file("link"))) {
      XCTAssertTrue("\($0)".hasSuffix("is a link to nothing"), "\($0)")
    }
    XCTAssertEqual(scratch.names, ["link"])
  }

  func testFaultsNameTheFileAndTheReasonOnOneLine() throws {
    let scratch = try ImageScratch()
    let targets = [
      scratch.file("missing/a.bin"), scratch.path, "/dev/null", "", scratch.path + "/x/",
    ]
    for path in targets {
      XCTAssertThrowsError(try writeAtomically([1], to: path)) { error in
        let text = String(describing: error)
        XCTAssertTrue(error is FileError)
        XCTAssertTrue(text.hasPrefix(path), text)
        XCTAssertFalse(text.contains("\n"), text)
      }
    }
    XCTAssertEqual(scratch.names, [])
    XCTAssertTrue(FileManager.default.fileExists(atPath: "/dev/null"))
  }

  func testAFullDiskIsReportedAndNothingStays() throws {
    // A limit on the size of files stands in for a full disk: `write` fails half way just so.
    let scratch = try ImageScratch()
    let path = scratch.file("a.bin")
    try writeAtomically([7], to: path)
    #if os(Linux)
      let fileSize = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
    #else
      let fileSize = RLIMIT_FSIZE
    #endif
    var old = rlimit()
    XCTAssertEqual(getrlimit(fileSize, &old), 0)
    var limit = rlimit(rlim_cur: 1 << 20, rlim_max: old.rlim_max)
    let handler = signal(SIGXFSZ, SIG_IGN)
    XCTAssertEqual(setrlimit(fileSize, &limit), 0)
    defer {
      setrlimit(fileSize, &old)
      signal(SIGXFSZ, handler)
    }
    XCTAssertThrowsError(try writeAtomically([UInt8](repeating: 1, count: 3 << 20), to: path)) {
      XCTAssertEqual(String(describing: $0), "\(path): cannot write: File too large")
    }
    XCTAssertEqual(scratch.names, ["a.bin"])
    XCTAssertEqual(try bytes(at: path), [7])
  }
}
