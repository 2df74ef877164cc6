import CLBackend
import Foundation
import XCTest

final class LaunchTests: XCTestCase {
  private static let add = """
    kernel void add_number(global float *x, float number) { x[get_global_id(0)] += number; }
    """

  func testEveryKindOfArgumentArrives() throws {
    let context = try SharedContext.get()
    let kernel = try context.makeKernel(
      "all_arguments",
      """
      kernel void all_arguments(
          global long *out, int a, uint b, ulong c, float d, local int *shared) {
        size_t i = get_local_id(0);
        shared[i] = (int)get_global_id(0);
        barrier(CLK_LOCAL_MEM_FENCE);
        global long *o = out + 5 * get_global_id(0);
        o[0] = a;
        o[1] = b;
        o[2] = (long)c;
        o[3] = (long)(d * 4.0f);
        o[4] = shared[get_local_size(0) - 1 - i];
      }
      """)
    let out = try context.makeBuffer([Int64](repeating: -1, count: 5 * 8 + 4))
    let arguments: [Argument] = [
      .buffer(out), .int(-7), .uint(4_000_000_000), .ulong(1 << 40), .float(-2.25),
      .local(bytes: 16),
    ]
    try context.enqueue(Launch(kernel, arguments, global: [8], local: [4]))
    let mirrored: [Int64] = [3, 2, 1, 0, 7, 6, 5, 4]
    let big: Int64 = 1 << 40
    let expected = mirrored.flatMap { i -> [Int64] in [-7, 4_000_000_000, big, -9, i] }
    XCTAssertEqual(
      try context.values(of: out, as: Int64.self), expected + [-1, -1, -1, -1])
  }

  func testThreeDimensionsAndTheDriversGroup() throws {
    let context = try SharedContext.get()
    let kernel = try context.makeKernel(
      "position",
      """
      kernel void position(global int *out) {
        size_t i = get_global_id(0), j = get_global_id(1), k = get_global_id(2);
        out[i + 3 * (j + 5 * k)] = (int)(i + 10 * j + 100 * k);
      }
      """)
    let out = try context.makeBuffer([Int32](repeating: -1, count: 30))
    try context.enqueue(Launch(kernel, [.buffer(out)], global: [3, 5, 2]))
    var expected: [Int32] = []
    for k: Int32 in 0..<2 {
      for j: Int32 in 0..<5 { for i: Int32 in 0..<3 { expected.append(i + 10 * j + 100 * k) } }
    }
    XCTAssertEqual(try context.values(of: out, as: Int32.self), expected)
  }

  func testLaunchesOfOneKernelKeepTheirOwnArguments() throws {
    let context = try SharedContext.get()
    let program = try context.program(source: Self.add, options: "")
    let kernel = try program.kernel("add_number")
    XCTAssertTrue(try program.kernel("add_number") === kernel)
    let (x, y) = (
      try context.makeBuffer([Float](repeating: 0, count: 4)),
      try context.makeBuffer([Float](repeating: 0, count: 4))
    )
    let launches = [
      Launch(kernel, [.buffer(x), .float(1)], global: [4]),
      Launch(kernel, [.buffer(y), .float(1)], global: [1]),
      Launch(kernel, [.buffer(x), .float(10)], global: [2]),
    ]
    for _ in 0..<3 { for launch in launches { try context.enqueue(launch) } }
    XCTAssertEqual(try context.values(of: x, as: Float.self), [33, 33, 3, 3])
    XCTAssertEqual(try context.values(of: y, as: Float.self), [3, 0, 0, 0])
  }

  func testOptionsReachTheCompilerAndProgramsAreRemembered() throws {
    let context = try SharedContext.get()
    let source = "kernel void number(global int *out) { out[0] = NUMBER; }"
    let out = try context.makeBuffer([Int32(0)])
    for number in [3, 4] {
      let program = try context.program(source: source, options: "-D NUMBER=\(number)")
      XCTAssertFalse(program.fromCache)
      let kernel = try program.kernel("number")
      try context.enqueue(Launch(kernel, [.buffer(out)], global: [1]))
      XCTAssertEqual(try context.values(of: out, as: Int32.self), [Int32(number)])
      XCTAssertTrue(
        try context.program(source: source, options: "-D NUMBER=\(number)") === program)
    }
  }

  func testLaunchKeepsItsBuffersAliveAndNoLonger() throws {
    let context = try SharedContext.get()
    let result = try context.makeBuffer([Float](repeating: 0, count: 2))
    weak var source: Buffer?
    do {
      let kernel = try context.makeKernel(
        "copy_two",
        "kernel void copy_two(global const float *x, global float *y) { y[0] = x[0]; y[1] = x[1]; }"
      )
      var buffer: Buffer? = try context.makeBuffer([3, 4] as [Float])
      source = buffer
      let arguments = [buffer, result].compactMap { $0 }.map(Argument.buffer)
      let launch = Launch(kernel, arguments, global: [1])
      buffer = nil
      XCTAssertNotNil(source)
      try context.enqueue(launch)
    }
    XCTAssertNil(source)
    XCTAssertEqual(try context.values(of: result, as: Float.self), [3, 4])
  }

  func testReleasedBuffersGiveTheirMemoryBack() throws {
    let context = try SharedContext.get()
    try XCTSkipUnless(context.device.kind == .cpu, "memory is seen from the host only")
    guard let before = Self.residentBytes() else { throw XCTSkip("no /proc") }
    let bytes = min(64 << 20, context.device.maxAllocation)
    for _ in 0..<24 {
      let buffer = try context.makeBuffer(bytes: bytes)
      try context.fill(buffer, offset: 0, bytes: bytes, with: 1)
      try context.finish()
    }
    let grown = (Self.residentBytes() ?? 0) - before
    XCTAssertLessThan(grown, 6 * bytes)
  }

  /// Bytes of memory the process holds, from the second number of `/proc/self/statm`.
  private static func residentBytes() -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
      return nil
    }
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 4096 }
  }
}
