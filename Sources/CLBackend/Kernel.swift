import COpenCL

/// One argument of a kernel.
public enum Argument {
  /// Device memory.
  case buffer(Buffer)
  /// A signed 32-bit number.
  case int(Int32)
  /// An unsigned 32-bit number.
  case uint(UInt32)
  /// An unsigned 64-bit number.
  case ulong(UInt64)
  /// A 32-bit floating-point number.
  case float(Float)
  /// Local memory of a work-group.
  case local(bytes: Int)
}

/// A kernel with its own argument slots: what is bound stays bound from launch to launch.
public final class Kernel {
  /// The function's name.
  public let name: String
  let handle: cl_kernel
  private let parameterCount: Int
  /// The driver does not hold what is bound: buffers must outlive every launch that uses them.
  private var boundBuffers: [Int: Buffer] = [:]

  init(_ handle: cl_kernel, name: String) {
    (self.handle, self.name) = (handle, name)
    var count: cl_uint = 0
    clGetKernelInfo(
      handle, cl_kernel_info(CL_KERNEL_NUM_ARGS), MemoryLayout<cl_uint>.size, &count, nil)
    parameterCount = Int(count)
  }

  deinit { clReleaseKernel(handle) }

  /// Binds every argument, in order, and holds on to the buffers among them.
  /// - Throws: `OpenCLError` naming the kernel and the argument.
  public func setArguments(_ arguments: [Argument]) throws {
    guard arguments.count == parameterCount else {
      throw OpenCLError(
        call: "clSetKernelArg", code: CL_INVALID_KERNEL_ARGS,
        detail: "kernel \(name) takes \(parameterCount) arguments, not \(arguments.count)")
    }
    for (index, argument) in arguments.enumerated() {
      try check(
        "clSetKernelArg", set(argument, at: index), "argument \(index) of kernel \(name)")
    }
  }

  private func set(_ argument: Argument, at index: Int) -> Int32 {
    let slot = cl_uint(index)
    switch argument {
    case .buffer(let buffer):
      boundBuffers[index] = buffer
      var memory: cl_mem? = buffer.handle
      return clSetKernelArg(handle, slot, MemoryLayout<cl_mem>.size, &memory)
    case .int(var value): return clSetKernelArg(handle, slot, 4, &value)
    case .uint(var value): return clSetKernelArg(handle, slot, 4, &value)
    case .ulong(var value): return clSetKernelArg(handle, slot, 8, &value)
    case .float(var value): return clSetKernelArg(handle, slot, 4, &value)
    case .local(let bytes): return clSetKernelArg(handle, slot, bytes, nil)
    }
  }
}
