import COpenCL

/// Compiled device code, released with the object.
public final class Program {
  /// Whether its binary came from the disk cache.
  public let fromCache: Bool
  let handle: cl_program
  private var kernels: [String: Kernel] = [:]

  init(_ handle: cl_program, fromCache: Bool) {
    (self.handle, self.fromCache) = (handle, fromCache)
  }

  deinit { clReleaseProgram(handle) }

  /// The function `name`.
  /// - Throws: `OpenCLError` naming the function.
  public func kernel(_ name: String) throws -> Kernel {
    if let known = kernels[name] { return known }
    var code: cl_int = 0
    let handle = clCreateKernel(handle, name, &code)
    let kernel = Kernel(try created("clCreateKernel", handle, code, "kernel \(name)"), name: name)
    kernels[name] = kernel
    return kernel
  }
}

/// Builds programs for one device of one context.
struct ProgramBuilder {
  let context: ContextHandle
  let device: OpenCLDevice

  func fromSource(_ source: String, options: String) throws -> Program {
    var code: cl_int = 0
    let handle = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context.pointer, 1, &text, nil, &code)
    }
    let program = Program(
      try created("clCreateProgramWithSource", handle, code), fromCache: false)
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
      return clCreateProgramWithBinary(context.pointer, 1, &id, &length, &base, &status, &code)
    }
    let program = Program(
      try created("clCreateProgramWithBinary", handle, code), fromCache: true)
    try check("clCreateProgramWithBinary", status)
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
    if PoCL.isPlatform(device.platformName) { try PoCL.checkLinker() }
    var id: cl_device_id? = device.id
    let code = clBuildProgram(program.handle, 1, &id, options, nil, nil)
    guard code != CL_SUCCESS else { return }
    throw OpenCLError(call: "clBuildProgram", code: code, detail: readLog(program))
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
}
