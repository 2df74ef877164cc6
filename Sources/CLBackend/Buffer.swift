import COpenCL

/// Memory of a device, released with the object.
public final class Buffer {
  /// Its size.
  public let bytes: Int
  let handle: cl_mem
  private let meter: MemoryMeter

  init(_ handle: cl_mem, bytes: Int, meter: MemoryMeter) {
    (self.handle, self.bytes, self.meter) = (handle, bytes, meter)
    meter.add(bytes)
  }

  deinit {
    clReleaseMemObject(handle)
    meter.add(-bytes)
  }
}

extension Buffer: Equatable {
  /// Whether both are the same memory.
  public static func == (a: Buffer, b: Buffer) -> Bool { a === b }
}
