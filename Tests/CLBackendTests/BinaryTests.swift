import CLBackend
import Foundation
import XCTest

/// Programs through the disk cache on a real driver, each of one tiny kernel.
final class BinaryTests: XCTestCase {
  private static let source = "kernel void seven(global int *out) { out[0] = 7; }"

  /// The context with a cache of its own.
  private func withCache(_ body: (OpenCLContext, ProgramCache) throws -> Void) throws {
    let context = try SharedContext.get()
    let cache = ProgramCache(directory: scratchDirectory(self))
    let former = context.cache
    context.cache = cache
    defer { context.cache = former }
    try body(context, cache)
  }

  private func assertWorks(_ program: Program, on context: OpenCLContext) throws {
    let kernel = try program.kernel("seven")
    let out = try context.makeBuffer([Int32(0)])
    try context.enqueue(Launch(kernel, [.buffer(out)], global: [1], local: [1]))
    XCTAssertEqual(try context.values(of: out, as: Int32.self), [7])
  }

  func testSecondBuildComesFromTheDisk() throws {
    try withCache { context, cache in
      let first = try context.loadOrBuild(source: Self.source, options: "")
      XCTAssertFalse(first.fromCache)
      let binary = cache.load(context.cacheKey(source: Self.source, options: ""))
      XCTAssertGreaterThan(try XCTUnwrap(binary).count, 0)
      let second = try context.loadOrBuild(source: Self.source, options: "")
      XCTAssertTrue(second.fromCache)
      try assertWorks(second, on: context)
    }
  }

  func testOtherOptionsAreAnotherEntry() throws {
    try withCache { context, _ in
      _ = try context.loadOrBuild(source: Self.source, options: "")
      XCTAssertFalse(
        try context.loadOrBuild(source: Self.source, options: "-D UNUSED=1").fromCache)
    }
  }

  func testBinaryTheDriverRejectsIsBuiltAnew() throws {
    try withCache { context, cache in
      let key = context.cacheKey(source: Self.source, options: "")
      let rejected = Array("no binary of any driver".utf8)
      cache.store(rejected, for: key)
      let program = try context.loadOrBuild(source: Self.source, options: "")
      XCTAssertFalse(program.fromCache)
      try assertWorks(program, on: context)
      XCTAssertNotEqual(cache.load(key), rejected)
      XCTAssertTrue(try context.loadOrBuild(source: Self.source, options: "").fromCache)
    }
  }

  func testUnwritableCacheIsNoError() throws {
    let context = try SharedContext.get()
    let former = context.cache
    context.cache = ProgramCache(directory: "/proc/nowhere")
    defer { context.cache = former }
    let program = try context.loadOrBuild(source: Self.source, options: "")
    XCTAssertFalse(program.fromCache)
    try assertWorks(program, on: context)
  }
}
