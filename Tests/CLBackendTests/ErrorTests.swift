import CLBackend
import Foundation
import XCTest

final class ErrorTests: XCTestCase {
  func testDescriptionIsOneLine() {
    let log = "12 warnings\nline 3: error: no such thing\n  more of it"
    let error = OpenCLError(call: "clBuildProgram", code: -11, detail: log)
    XCTAssertEqual(
      error.description,
      "clBuildProgram failed: CL_BUILD_PROGRAM_FAILURE (-11): line 3: error: no such thing")
    XCTAssertEqual(error.detail, log)
    XCTAssertEqual(
      OpenCLError(call: "clFinish", code: -5).description,
      "clFinish failed: CL_OUT_OF_RESOURCES (-5)")
  }

  func testUnknownCodeIsNamedAsSuch() {
    XCTAssertEqual(OpenCLError(call: "clFinish", code: -9999).codeName, "unknown code")
  }

  func testBrokenSourceCarriesTheBuildLog() throws {
    let context = try SharedContext.get()
    let error = try openCLError {
      _ = try context.program(
        source: "kernel void broken(global float *x) { x[0] = missing_name; }", options: "")
    }
    XCTAssertEqual(error.call, "clBuildProgram")
    XCTAssertEqual(error.codeName, "CL_BUILD_PROGRAM_FAILURE")
    XCTAssertTrue(error.detail.contains("missing_name"), error.detail)
    XCTAssertFalse(error.description.contains { $0.isNewline })
    XCTAssertTrue(error.description.contains("missing_name"), error.description)
  }

  func testUnknownKernelIsNamed() throws {
    let context = try SharedContext.get()
    let error = try openCLError {
      _ = try context.makeKernel("absent", "kernel void present(global float *x) { x[0] = 1; }")
    }
    XCTAssertEqual(error.call, "clCreateKernel")
    XCTAssertEqual(error.codeName, "CL_INVALID_KERNEL_NAME")
    XCTAssertTrue(error.description.contains("absent"), error.description)
  }

  func testAllocationNamesSizeAndLimits() throws {
    let context = try SharedContext.get()
    let bytes = context.device.maxAllocation + 1
    let error = try openCLError { _ = try context.makeBuffer(bytes: bytes) }
    XCTAssertEqual(error.call, "clCreateBuffer")
    XCTAssertEqual(error.codeName, "CL_INVALID_BUFFER_SIZE")
    for part in ["\(bytes) bytes", "\(context.device.maxAllocation >> 20) MiB at once"] {
      XCTAssertTrue(error.description.contains(part), error.description)
    }
  }

  func testEmptyAndNegativeAllocationsAreErrors() throws {
    let context = try SharedContext.get()
    for bytes in [0, -4] {
      let error = try openCLError { _ = try context.makeBuffer(bytes: bytes) }
      XCTAssertTrue(error.description.contains("\(bytes) bytes"), error.description)
    }
  }

  func testWrongArgumentsNameTheKernel() throws {
    let context = try SharedContext.get()
    let kernel = try context.makeKernel(
      "two_arguments", "kernel void two_arguments(global float *x, int n) { x[0] = n; }")
    let count = try openCLError { try context.enqueue(Launch(kernel, [.int(1)], global: [1])) }
    XCTAssertTrue(count.description.contains("two_arguments takes 2 arguments, not 1"))
    let buffer = try context.makeBuffer(bytes: 4)
    let size = try openCLError {
      try context.enqueue(Launch(kernel, [.buffer(buffer), .ulong(1)], global: [1]))
    }
    XCTAssertEqual(size.codeName, "CL_INVALID_ARG_SIZE")
    XCTAssertTrue(size.description.contains("argument 1 of kernel two_arguments"))
  }

  func testOversizedGroupIsAnError() throws {
    let context = try SharedContext.get()
    let kernel = try context.makeKernel(
      "filled", "kernel void filled(global float *x) { x[get_global_id(0)] = 1; }")
    let size = 2 * context.device.maxWorkGroupSize
    let buffer = try context.makeBuffer(bytes: 4 * size)
    let group = try openCLError {
      try context.enqueue(Launch(kernel, [.buffer(buffer)], global: [size], local: [size]))
    }
    XCTAssertEqual(group.call, "clEnqueueNDRangeKernel")
    XCTAssertTrue(group.description.contains("filled, [\(size)]"), group.description)
  }

  func testMissingLinkerIsAnErrorOnPoCL() throws {
    let context = try SharedContext.get()
    try XCTSkipUnless(PoCL.isPlatform(context.device.platformName), "only PoCL needs a linker")
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    setenv("PATH", "/nowhere", 1)
    defer { setenv("PATH", path, 1) }
    let error = try openCLError {
      _ = try context.program(source: "kernel void unlinked(global int *x) {}", options: "")
    }
    XCTAssertEqual(error.codeName, "CL_LINKER_NOT_AVAILABLE")
    XCTAssertTrue(error.description.contains("'ld'"), error.description)
  }

  func testExecutablesAreFoundInThePathOnly() throws {
    let directory = scratchDirectory(self)
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    let file = directory + "/linker"
    XCTAssertFalse(PoCL.finds("linker", path: "/nowhere:\(directory)"))
    try Data().write(to: URL(fileURLWithPath: file))
    XCTAssertFalse(PoCL.finds("linker", path: directory), "a file that cannot be executed")
    chmod(file, 0o755)
    XCTAssertTrue(PoCL.finds("linker", path: "/nowhere:\(directory)"))
    XCTAssertFalse(PoCL.finds("linker", path: ""))
  }
}
