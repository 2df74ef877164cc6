import COpenCL
import Foundation

/// Compiled device code, released with the object.
public final class Program {
  /// Whether the binary came from the disk cache.
  public let isFromCache: Bool
  let handle: cl_program

  init(_ handle: cl_program, isFromCache: Bool) {
    (self.handle, self.isFromCache) = (handle, isFromCache)
  }

  deinit { clReleaseProgram(handle) }

  /// A new kernel object of its own for the function `name`.
  /// - Throws: `OpenCLError` naming the function.
  public func makeKernel(_ name: String) throws -> Kernel {
    var code: cl_int = 0
    let handle = clCreateKernel(handle, name, &code)
    return Kernel(try created("clCreateKernel", handle, code, "kernel \(name)"), name: name)
  }
}

/// Builds programs for one device of one context.
struct ProgramBuilder {
  let context: cl_context
  let device: OpenCLDevice

  func fromSource(_ source: String, options: String) throws -> Program {
    try checkLinker()
    var code: cl_int = 0
    let handle = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context, 1, &text, nil, &code)
    }
    let program = Program(
      try created("clCreateProgramWithSource", handle, code), isFromCache: false)
    try build(program, options: options)
    return program
  }

  func fromBinary(_ binary: [UInt8], options: String) throws -> Program {
    var code: cl_int = 0
    var status: cl_int = 0
    var id: cl_device_id? = device.id
    var length = binary.count
    let handle = binary.withUnsafeBufferPointer { bytes in
      var base = bytes.baseAddress
      return clCreateProgramWithBinary(context, 1, &id, &length, &base, &status, &code)
    }
    let program = Program(
      try created("clCreateProgramWithBinary", handle, code), isFromCache: true)
    try build(program, options: options)
    return program
  }

  func binary(of program: Program) throws -> [UInt8] {
    var size = 0
    try check(
      "clGetProgramInfo",
      clGetProgramInfo(
        program.handle, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &size, nil
      ))
    guard size > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: size)
    let code = bytes.withUnsafeMutableBufferPointer { buffer in
      var base = buffer.baseAddress
      return clGetProgramInfo(
        program.handle, cl_program_info(CL_PROGRAM_BINARIES),
        MemoryLayout<UnsafeMutablePointer<UInt8>?>.size, &base, nil)
    }
    try check("clGetProgramInfo", code)
    return bytes
  }

  private func build(_ program: Program, options: String) throws {
    var id: cl_device_id? = device.id
    let code = clBuildProgram(program.handle, 1, &id, options, nil, nil)
    guard code != CL_SUCCESS else { return }
    let log = readLog(program)
    throw OpenCLError(call: "clBuildProgram", code: code, detail: log)
  }

  private func readLog(_ program: Program) -> String {
    var length = 0
    let parameter = cl_program_build_info(CL_PROGRAM_BUILD_LOG)
    guard
      clGetProgramBuildInfo(program.handle, device.id, parameter, 0, nil, &length) == CL_SUCCESS
    else { return "" }
    var bytes = [UInt8](repeating: 0, count: length)
    clGetProgramBuildInfo(program.handle, device.id, parameter, length, &bytes, nil)
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// PoCL aborts the whole process when it finds no linker: say so instead.
  private func checkLinker() throws {
    guard device.isPoCL else { return }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let found = path.split(separator: ":").contains { access("\($0)/ld", X_OK) == 0 }
    guard found else {
      throw OpenCLError(
        call: "clBuildProgram", code: CL_COMPILER_NOT_AVAILABLE,
        detail: "PoCL needs the linker 'ld' (package binutils) in PATH")
    }
  }
}

extension OpenCLDevice {
  /// Whether the device belongs to PoCL, which keeps its own disk cache of kernels.
  var isPoCL: Bool { platformName == "Portable Computing Language" }
}
