import CLBackend
import Foundation
import XCTest

/// The one context of these tests: a driver may lose track when every test opens its own.
enum SharedContext {
  /// - Throws: `XCTSkip` where there is no OpenCL device, the driver's error where it cannot be
  ///   opened.
  static func get() throws -> OpenCLContext {
    guard let context = try context.get() else { throw XCTSkip("no OpenCL device") }
    return context
  }

  nonisolated(unsafe) private static let context = Result { try open() }

  /// `RESTORMER_DEVICE` picks a device by a part of its name; the first one otherwise.
  private static func open() throws -> OpenCLContext? {
    let wanted = ProcessInfo.processInfo.environment["RESTORMER_DEVICE"] ?? ""
    let device = OpenCLDevice.all().first {
      wanted.isEmpty || $0.name.localizedCaseInsensitiveContains(wanted)
    }
    return try device.map { try OpenCLContext($0, cacheDirectory: nil) }
  }
}

extension OpenCLContext {
  /// A kernel of a program of its own.
  func makeKernel(_ name: String, _ source: String) throws -> Kernel {
    try program(source: source, options: "").kernel(name)
  }

  /// A buffer that holds `values`.
  func makeBuffer<Value>(_ values: [Value]) throws -> Buffer {
    let buffer = try makeBuffer(bytes: values.count * MemoryLayout<Value>.stride)
    try values.withUnsafeBytes { try write($0, to: buffer, offset: 0) }
    return buffer
  }

  /// The values of a buffer.
  func values<Value: Numeric>(of buffer: Buffer, as type: Value.Type) throws -> [Value] {
    var values = [Value](repeating: 0, count: buffer.bytes / MemoryLayout<Value>.stride)
    try values.withUnsafeMutableBytes { try read($0, from: buffer, offset: 0) }
    return values
  }
}

/// The error that `body` throws.
func openCLError(
  file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> Void
) throws -> OpenCLError {
  do {
    try body()
  } catch let error as OpenCLError {
    return error
  }
  XCTFail("nothing was thrown", file: file, line: line)
  throw XCTSkip("nothing to look at")
}

/// A fresh folder, removed when the test ends.
func scratchDirectory(_ test: XCTestCase) -> String {
  let directory = NSTemporaryDirectory() + "/restormer-" + UUID().uuidString
  test.addTeardownBlock { try? FileManager.default.removeItem(atPath: directory) }
  return directory
}
