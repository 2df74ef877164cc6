import COpenCL

/// One argument of a kernel.
public enum Argument: Equatable {
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

/// A function of a program. Launches of it bind their own arguments as they enter the queue, so one
/// object serves them all.
public final class Kernel {
  /// The function's name.
  public let name: String
  /// Work-items of the largest group it runs in, which its registers may hold below the device's;
  /// `Int.max` if unknown.
  public let maxGroupSize: Int
  let handle: cl_kernel
  private let parameterCount: Int
  /// The numbers in the slots; nothing for a buffer, which may be gone by now.
  private var bound: [Argument?]

  init(_ handle: cl_kernel, name: String) {
    (self.handle, self.name) = (handle, name)
    var count: cl_uint = 0
    clGetKernelInfo(
      handle, cl_kernel_info(CL_KERNEL_NUM_ARGS), MemoryLayout<cl_uint>.size, &count, nil)
    parameterCount = Int(count)
    var group = 0
    // The program has one device.
    clGetKernelWorkGroupInfo(
      handle, nil, cl_kernel_work_group_info(CL_KERNEL_WORK_GROUP_SIZE), MemoryLayout<Int>.size,
      &group, nil)
    maxGroupSize = group > 0 ? group : .max
    bound = [Argument?](repeating: nil, count: parameterCount)
  }

  deinit { clReleaseKernel(handle) }

  /// Binds every argument, in order. A driver remembers until the next launch, and does not hold on
  /// to buffers.
  /// - Throws: `OpenCLError` naming the kernel and the argument.
  func bind(_ arguments: [Argument]) throws {
    guard arguments.count == parameterCount else {
      throw OpenCLError(
        call: "clSetKernelArg", code: CL_INVALID_KERNEL_ARGS,
        detail: "kernel \(name) takes \(parameterCount) arguments, not \(arguments.count)")
    }
    for (index, argument) in arguments.enumerated() where bound[index] != argument {
      bound[index] = nil
      try check(
        "clSetKernelArg", set(argument, at: index), "argument \(index) of kernel \(name)")
      if case .buffer = argument { continue }
      bound[index] = argument
    }
  }

  private func set(_ argument: Argument, at index: Int) -> Int32 {
    let slot = cl_uint(index)
    switch argument {
    case .buffer(let buffer):
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
