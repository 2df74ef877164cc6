import COpenCL

/// Memory of a device, released with the object.
public final class Buffer {
  /// Its size.
  public let bytes: Int
  let handle: cl_mem

  init(_ handle: cl_mem, bytes: Int) { (self.handle, self.bytes) = (handle, bytes) }

  deinit { clReleaseMemObject(handle) }
}

extension Buffer: Equatable {
  /// Whether both are the same memory.
  public static func == (a: Buffer, b: Buffer) -> Bool { a === b }
}
