import CLBackend
import XCTest

final class ProfilerTests: XCTestCase {
  private static let source = """
    kernel void busy(global float *x, int n) {
      float y = x[get_global_id(0)];
      for (int i = 0; i < n; i++) y = y * 0.5f + 1.0f;
      x[get_global_id(0)] = y;
    }
    """

  private func launch(_ context: OpenCLContext, label: String?, steps: Int32) throws -> Launch {
    let kernel = try context.makeKernel("busy", Self.source)
    return Launch(
      kernel, [.buffer(try context.makeBuffer(bytes: 4096)), .int(steps)], global: [1024],
      local: [16], label: label, flops: 2 * 1024 * Double(steps),
      bytes: 8192)
  }

  func testTimesAndCountsByLabel() throws {
    let context = try SharedContext.get()
    let (short, long) = (
      try launch(context, label: "short", steps: 1), try launch(context, label: nil, steps: 20_000)
    )
    try context.enqueue(short)
    let profiler = Profiler()
    context.profiler = profiler
    defer { context.profiler = nil }
    XCTAssertTrue(try profiler.summary().isEmpty, "launches before the profiler do not count")
    for _ in 0..<3 { try context.enqueue(short) }
    for _ in 0..<2 { try context.enqueue(long) }
    let rows = try profiler.summary()
    XCTAssertEqual(rows.map(\.label), ["busy", "short"], "the longest time first")
    XCTAssertEqual(rows.map(\.count), [2, 3])
    XCTAssertEqual(rows.map(\.flops), [2 * long.flops, 3 * short.flops])
    XCTAssertEqual(rows.map(\.bytes), [2 * long.bytes, 3 * short.bytes])
    for row in rows {
      XCTAssertGreaterThan(row.milliseconds, 0, row.label)
      XCTAssertLessThan(row.milliseconds, 60_000, row.label)
    }
    XCTAssertEqual(try profiler.summary().map(\.count), [2, 3], "asking changes nothing")
    profiler.reset()
    XCTAssertTrue(try profiler.summary().isEmpty)
    context.profiler = nil
    try context.enqueue(short)
    XCTAssertTrue(try profiler.summary().isEmpty)
  }

  func testManyLaunchesAreAllCounted() throws {
    let context = try SharedContext.get()
    let short = try launch(context, label: "many", steps: 1)
    let profiler = Profiler()
    context.profiler = profiler
    defer { context.profiler = nil }
    for _ in 0..<10_000 { try context.enqueue(short) }
    let rows = try profiler.summary()
    XCTAssertEqual(rows.map(\.count), [10_000])
  }
}
