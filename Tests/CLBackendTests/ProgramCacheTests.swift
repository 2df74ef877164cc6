import CLBackend
import Foundation
import XCTest

final class ProgramCacheTests: XCTestCase {
  private let key = "device\0driver\0options\0kernel void text() {}"

  private func files(_ directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
  }

  private func onlyFile(_ directory: String) throws -> String {
    let names = files(directory)
    XCTAssertEqual(names.count, 1, "\(names)")
    return directory + "/" + (try XCTUnwrap(names.first))
  }

  func testEntriesReturn() {
    let cache = ProgramCache(directory: scratchDirectory(self) + "/made/when/needed")
    XCTAssertNil(cache.load(key))
    for payload in [[UInt8](), [0], (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }] {
      cache.store(payload, for: key)
      XCTAssertEqual(cache.load(key), payload)
    }
    XCTAssertNil(cache.load(key + " "))
    XCTAssertEqual(files(cache.directory).count, 1, "no temporary file is left")
  }

  func testDamagedFileIsRemoved() throws {
    let cache = ProgramCache(directory: scratchDirectory(self))
    let payload = [UInt8](repeating: 9, count: 300)
    cache.store(payload, for: key)
    let path = try onlyFile(cache.directory)
    let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    for position in sound.indices {
      var damaged = sound
      damaged[position] ^= 0x10
      try Data(damaged).write(to: URL(fileURLWithPath: path))
      XCTAssertNil(cache.load(key), "byte \(position)")
      XCTAssertFalse(FileManager.default.fileExists(atPath: path), "byte \(position)")
    }
    cache.store(payload, for: key)
    XCTAssertEqual(cache.load(key), payload)
  }

  func testTruncatedOrLengthenedFileIsRemoved() throws {
    let cache = ProgramCache(directory: scratchDirectory(self))
    cache.store([UInt8](repeating: 3, count: 40), for: key)
    let path = try onlyFile(cache.directory)
    let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    for wrong in sound.indices.map({ Array(sound[..<$0]) }) + [sound + [0], sound + sound] {
      try Data(wrong).write(to: URL(fileURLWithPath: path))
      XCTAssertNil(cache.load(key), "\(wrong.count) of \(sound.count) bytes")
      XCTAssertFalse(FileManager.default.fileExists(atPath: path))
    }
  }

  func testEntryOfAnotherKeyIsNotTaken() throws {
    let directory = scratchDirectory(self)
    let (mine, other) = (
      ProgramCache(directory: directory + "/mine"), ProgramCache(directory: directory + "/other")
    )
    mine.store([1], for: key)
    other.store([2], for: key + "2")
    let (path, foreign) = (try onlyFile(mine.directory), try onlyFile(other.directory))
    XCTAssertNotEqual(
      (path as NSString).lastPathComponent, (foreign as NSString).lastPathComponent)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: foreign, toPath: path)
    XCTAssertNil(mine.load(key))
    XCTAssertFalse(FileManager.default.fileExists(atPath: path))
  }

  func testUnwritableFolderIsNoError() throws {
    let directory = scratchDirectory(self)
    try Data().write(to: URL(fileURLWithPath: directory))
    // A file where the folder should be cannot be written into even by the superuser.
    let cache = ProgramCache(directory: directory + "/cache")
    cache.store([1, 2, 3], for: key)
    XCTAssertNil(cache.load(key))
    let missing = ProgramCache(directory: "/proc/nowhere")
    missing.store([1, 2, 3], for: key)
    XCTAssertNil(missing.load(key))
  }

  func testFolderInPlaceOfAnEntryIsNoError() throws {
    let cache = ProgramCache(directory: scratchDirectory(self))
    cache.store([1], for: key)
    let path = try onlyFile(cache.directory)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    XCTAssertNil(cache.load(key))
    cache.store([1], for: key)
    XCTAssertNil(cache.load(key))
    XCTAssertEqual(files(cache.directory).count, 1, "no temporary file is left")
  }

  func testManyThreadsNeverSeeHalfAnEntry() {
    let cache = ProgramCache(directory: scratchDirectory(self))
    let key = key
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      Self.writeAndRead(cache, key: key, value: UInt8(thread), rounds: 40)
    }
    XCTAssertNotNil(cache.load(key))
    XCTAssertEqual(files(cache.directory).count, 1, "no temporary file is left")
  }

  #if os(Linux)
    /// Several processes at once: this very test program, told to run `testBeOneOfManyProcesses`
    /// only.
    func testManyProcessesNeverSeeHalfAnEntry() throws {
      let cache = ProgramCache(directory: scratchDirectory(self))
      let processes = try (1...3).map { number in
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["CLBackendTests.ProgramCacheTests/testBeOneOfManyProcesses"]
        process.environment = ProcessInfo.processInfo.environment.merging([
          "RESTORMER_TEST_CACHE": cache.directory, "RESTORMER_TEST_NUMBER": "\(number)",
        ]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
      }
      Self.writeAndRead(cache, key: key, value: 0, rounds: 40)
      for process in processes {
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 0)
      }
      XCTAssertEqual(files(cache.directory).filter { $0.hasSuffix(".done") }.count, 3)
      XCTAssertEqual(files(cache.directory).filter { !$0.hasSuffix(".done") }.count, 1)
    }

    func testBeOneOfManyProcesses() throws {
      let environment = ProcessInfo.processInfo.environment
      guard let directory = environment["RESTORMER_TEST_CACHE"],
        let number = environment["RESTORMER_TEST_NUMBER"].flatMap({ UInt8($0) })
      else { throw XCTSkip("a part of testManyProcessesNeverSeeHalfAnEntry") }
      Self.writeAndRead(
        ProgramCache(directory: directory), key: key, value: number, rounds: 100)
      try Data().write(to: URL(fileURLWithPath: "\(directory)/\(number).done"))
    }
  #endif

  /// Stores entries all of one byte; what is read back, whoever wrote it, must be whole.
  private static func writeAndRead(_ cache: ProgramCache, key: String, value: UInt8, rounds: Int) {
    for round in 0..<rounds {
      cache.store([UInt8](repeating: value, count: 20_000 + 100 * Int(value)), for: key)
      guard let payload = cache.load(key) else {
        XCTFail("round \(round): an entry that was replaced was missing")
        return
      }
      let first = payload.first ?? 255
      XCTAssertEqual(payload.count, 20_000 + 100 * Int(first))
      XCTAssertTrue(payload.allSatisfy { $0 == first })
    }
  }

  func testFolderFollowsTheEnvironment() {
    let home = NSTemporaryDirectory()
    XCTAssertEqual(
      ProgramCache.directory(in: [
        "RESTORMER_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b", "HOME": home,
      ]), "/a")
    XCTAssertEqual(
      ProgramCache.directory(in: ["XDG_CACHE_HOME": "/b", "HOME": home]), "/b/restormer")
    let user = ProgramCache.directory(in: ["XDG_CACHE_HOME": "relative", "HOME": home])
    #if os(macOS)
      XCTAssertEqual(user, home + "/Library/Caches/restormer")
    #else
      XCTAssertEqual(user, home + "/.cache/restormer")
    #endif
    XCTAssertNil(ProgramCache.directory(in: [:]))
    XCTAssertNil(ProgramCache.directory(in: ["HOME": "/nowhere/at/all"]))
  }

  func testPoCLKeepsItsOwnCache() {
    let pocl = "Portable Computing Language"
    XCTAssertFalse(ProgramCache.isUseful(platform: pocl, environment: [:]))
    XCTAssertTrue(
      ProgramCache.isUseful(
        platform: pocl, environment: ["RESTORMER_FORCE_BINARY_CACHE": "1"]))
    XCTAssertTrue(ProgramCache.isUseful(platform: "NVIDIA CUDA", environment: [:]))
  }
}
