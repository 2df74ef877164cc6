import COpenCL
import Foundation

/// One device opened for work: its context, its in-order queue and its programs.
public final class OpenCLContext {
  /// The device.
  public let device: OpenCLDevice
  /// Collects times if profiling was asked for.
  public let profiler: Profiler?
  private let context: cl_context
  private let queue: cl_command_queue
  private let cache: ProgramCache?
  private var programs: [ProgramKey: Program] = [:]

  private struct ProgramKey: Hashable {
    let source: String
    let options: String
  }

  /// Opens `device`.
  /// - Parameters:
  ///   - device: the device.
  ///   - profiling: keep the time of every launch.
  ///   - cacheDirectory: where compiled programs are kept; nil for nowhere.
  /// - Throws: `OpenCLError`.
  public init(
    _ device: OpenCLDevice, profiling: Bool = false,
    cacheDirectory: String? = ProgramCache.defaultDirectory
  ) throws {
    self.device = device
    var code: cl_int = 0
    var id: cl_device_id? = device.id
    let context = try created(
      "clCreateContext", clCreateContext(nil, 1, &id, nil, nil, &code), code)
    let properties = cl_command_queue_properties(profiling ? CL_QUEUE_PROFILING_ENABLE : 0)
    let queue = clCreateCommandQueue(context, device.id, properties, &code)
    if queue == nil { clReleaseContext(context) }
    self.context = context
    self.queue = try created("clCreateCommandQueue", queue, code)
    profiler = profiling ? Profiler() : nil
    // PoCL compiles every kernel of a program when asked for its binary, and has a cache of its own.
    let forced = ProcessInfo.processInfo.environment["RESTORMER_FORCE_BINARY_CACHE"] == "1"
    cache = device.isPoCL && !forced ? nil : cacheDirectory.map(ProgramCache.init)
  }

  deinit {
    clFinish(queue)
    clReleaseCommandQueue(queue)
    clReleaseContext(context)
  }

  /// Allocates device memory, contents undefined.
  /// - Throws: `OpenCLError` naming the size and the device's limits.
  public func makeBuffer(bytes: Int) throws -> Buffer {
    let limits =
      "\(bytes >> 20) MiB asked for; the device has \(device.globalMemory >> 20) MiB, "
      + "at most \(device.maxAllocation >> 20) MiB at once"
    guard bytes > 0, bytes <= max(device.maxAllocation, 1 << 20) else {
      throw OpenCLError(call: "clCreateBuffer", code: CL_INVALID_BUFFER_SIZE, detail: limits)
    }
    var code: cl_int = 0
    let handle = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), bytes, nil, &code)
    return Buffer(try created("clCreateBuffer", handle, code, limits), bytes: bytes)
  }

  /// The program of `source` compiled with `options`: remembered, else from the disk cache, else built.
  /// - Throws: `OpenCLError` with the build log.
  public func program(source: String, options: String) throws -> Program {
    let key = ProgramKey(source: source, options: options)
    if let known = programs[key] { return known }
    let program = try cachedProgram(key)
    programs[key] = program
    return program
  }

  private func cachedProgram(_ key: ProgramKey) throws -> Program {
    let builder = ProgramBuilder(context: context, device: device)
    guard let cache else { return try builder.fromSource(key.source, options: key.options) }
    let name = [
      device.platformName, device.name, device.vendor, device.driverVersion, device.version,
      key.options, key.source,
    ].joined(separator: "\n")
    // A binary that the driver no longer takes is as good as none.
    if let binary = cache.load(name),
      let program = try? builder.fromBinary(binary, options: key.options)
    {
      return program
    }
    let program = try builder.fromSource(key.source, options: key.options)
    if let binary = try? builder.binary(of: program), !binary.isEmpty {
      cache.store(binary, for: name)
    }
    return program
  }

  /// Puts a launch into the queue.
  /// - Throws: `OpenCLError` naming the kernel and its grid.
  public func enqueue(_ launch: Launch) throws {
    var event: cl_event?
    let code = withUnsafeMutablePointer(to: &event) { slot in
      clEnqueueNDRangeKernel(
        queue, launch.kernel.handle, cl_uint(launch.global.count), nil, launch.global,
        launch.local, 0, nil, profiler == nil ? nil : slot)
    }
    try check(
      "clEnqueueNDRangeKernel", code,
      "kernel \(launch.kernel.name), \(launch.global) work-items in groups of \(launch.local ?? [])"
    )
    if let event { profiler?.book(launch, event: event) }
  }

  /// Waits until the queue is empty.
  public func finish() throws { try check("clFinish", clFinish(queue)) }

  /// Hands what is queued to the device.
  public func flush() throws { try check("clFlush", clFlush(queue)) }

  /// Copies `rows` dense host rows of `rowBytes` into device rows `pitch` bytes apart, from `offset` on.
  /// Returns when done.
  public func writeRows(
    _ source: UnsafeRawPointer, to buffer: Buffer, offset: Int, rowBytes: Int, rows: Int, pitch: Int
  ) throws {
    if rows == 1 || pitch == rowBytes {
      let code = clEnqueueWriteBuffer(
        queue, buffer.handle, cl_bool(CL_TRUE), offset, rowBytes * rows, source, 0, nil, nil)
      return try check("clEnqueueWriteBuffer", code, "\(rowBytes * rows) bytes at \(offset)")
    }
    let code = clEnqueueWriteBufferRect(
      queue, buffer.handle, cl_bool(CL_TRUE), [offset, 0, 0], [0, 0, 0], [rowBytes, rows, 1],
      pitch, 0, rowBytes, 0, source, 0, nil, nil)
    try check("clEnqueueWriteBufferRect", code, "\(rows) rows of \(rowBytes) bytes at \(offset)")
  }

  /// Copies device rows `pitch` bytes apart into dense host rows, after everything enqueued before.
  public func readRows(
    _ target: UnsafeMutableRawPointer, from buffer: Buffer, offset: Int, rowBytes: Int, rows: Int,
    pitch: Int
  ) throws {
    if rows == 1 || pitch == rowBytes {
      let code = clEnqueueReadBuffer(
        queue, buffer.handle, cl_bool(CL_TRUE), offset, rowBytes * rows, target, 0, nil, nil)
      return try check("clEnqueueReadBuffer", code, "\(rowBytes * rows) bytes at \(offset)")
    }
    let code = clEnqueueReadBufferRect(
      queue, buffer.handle, cl_bool(CL_TRUE), [offset, 0, 0], [0, 0, 0], [rowBytes, rows, 1],
      pitch, 0, rowBytes, 0, target, 0, nil, nil)
    try check("clEnqueueReadBufferRect", code, "\(rows) rows of \(rowBytes) bytes at \(offset)")
  }

  /// Sets `bytes` bytes from `offset` on to copies of `value`.
  public func fill(_ buffer: Buffer, offset: Int, bytes: Int, with value: Float) throws {
    var value = value
    try check(
      "clEnqueueFillBuffer",
      clEnqueueFillBuffer(queue, buffer.handle, &value, 4, offset, bytes, 0, nil, nil),
      "\(bytes) bytes at \(offset)")
  }
}
