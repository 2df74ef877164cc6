import COpenCL

/// One argument of a kernel.
public enum Argument {
  /// Device memory.
  case buffer(Buffer)
  /// A signed 32-bit number.
  case int(Int32)
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
  /// Buffers must outlive every launch that reads them.
  private var boundBuffers: [Int: Buffer] = [:]

  init(_ handle: cl_kernel, name: String) { (self.handle, self.name) = (handle, name) }

  deinit { clReleaseKernel(handle) }

  /// Binds every argument, in order.
  /// - Throws: `OpenCLError` naming the kernel and the argument.
  public func setArguments(_ arguments: [Argument]) throws {
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
      var handle: cl_mem? = buffer.handle
      return clSetKernelArg(self.handle, slot, MemoryLayout<cl_mem>.size, &handle)
    case .int(var value): return clSetKernelArg(handle, slot, 4, &value)
    case .ulong(var value): return clSetKernelArg(handle, slot, 8, &value)
    case .float(var value): return clSetKernelArg(handle, slot, 4, &value)
    case .local(let bytes): return clSetKernelArg(handle, slot, bytes, nil)
    }
  }
}

/// A kernel bound to its arguments and its grid: enqueued as often as wanted.
public struct Launch {
  /// The kernel with its arguments.
  public let kernel: Kernel
  /// Work-items in each dimension.
  public let global: [Int]
  /// Work-items of a group in each dimension; the driver's choice if nil.
  public let local: [Int]?
  /// The name under which the profiler books it.
  public var label: String
  /// Floating-point operations of one launch.
  public var flops: Double
  /// Bytes that one launch moves at least.
  public var bytes: Double

  /// A launch of `kernel` over `global` work-items.
  public init(
    _ kernel: Kernel, global: [Int], local: [Int]? = nil, label: String, flops: Double = 0,
    bytes: Double = 0
  ) {
    (self.kernel, self.global, self.local) = (kernel, global, local)
    (self.label, self.flops, self.bytes) = (label, flops, bytes)
  }
}
