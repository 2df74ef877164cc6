import COpenCL
import Foundation

/// One device opened for work: its context, its in-order queue and its programs.
///
/// An in-order queue runs commands one after another, so nothing here waits unless it says so. Not
/// for use from two threads at once.
public final class OpenCLContext {
  /// The device.
  public let device: OpenCLDevice
  /// Collects the time of every launch while set.
  public var profiler: Profiler?
  /// Where compiled programs are kept between processes; nil for nowhere.
  package var cache: ProgramCache?
  /// The memory of all its buffers.
  package let meter = MemoryMeter()
  private let context: ContextHandle
  private(set) var queue: QueueHandle
  private var programs: [ProgramKey: Program] = [:]

  private struct ProgramKey: Hashable {
    let source: String
    let options: String
  }

  /// Opens `device`.
  /// - Parameters:
  ///   - device: the device.
  ///   - profiling: start with a profiler.
  ///   - cacheDirectory: where compiled programs are kept; nil for nowhere.
  /// - Throws: `OpenCLError`.
  public init(
    _ device: OpenCLDevice, profiling: Bool = false,
    cacheDirectory: String? = ProgramCache.defaultDirectory
  ) throws {
    self.device = device
    context = try ContextHandle(device)
    queue = try QueueHandle(context, device, profiling: profiling)
    profiler = profiling ? Profiler() : nil
    cache =
      ProgramCache.isUseful(platform: device.platformName)
      ? cacheDirectory.map(ProgramCache.init) : nil
  }

  /// Allocates device memory, contents undefined. A driver may put the allocation itself off until
  /// first use.
  /// - Throws: `OpenCLError` naming the size and the device's limits.
  public func makeBuffer(bytes: Int) throws -> Buffer {
    let limits =
      "\(bytes) bytes (\(bytes >> 20) MiB) asked for on \(device.name), which has "
      + "\(device.globalMemory >> 20) MiB and gives at most "
      + "\(device.maxAllocation >> 20) MiB at once"
    // A device that does not know its limit still has the smallest that the standard allows.
    guard bytes > 0, bytes <= max(device.maxAllocation, 1 << 20) else {
      throw OpenCLError(call: "clCreateBuffer", code: CL_INVALID_BUFFER_SIZE, detail: limits)
    }
    var code: cl_int = 0
    // PoCL computes where the memory lies; it would take small pages for it.
    let own = PoCL.isPlatform(device.platformName) ? HostAllocation.make(bytes: bytes) : nil
    let flags = cl_mem_flags(CL_MEM_READ_WRITE | (own == nil ? 0 : CL_MEM_USE_HOST_PTR))
    let handle = clCreateBuffer(context.pointer, flags, bytes, own, &code)
    if let handle, code == CL_SUCCESS {
      try check("clSetMemObjectDestructorCallback", freeWithBuffer(handle, own))
    } else {
      free(own)
    }
    return Buffer(try created("clCreateBuffer", handle, code, limits), bytes: bytes, meter: meter)
  }

  /// Has `memory` freed when the driver is done with the buffer over it, which may be after the
  /// last handle is gone.
  private func freeWithBuffer(_ buffer: cl_mem, _ memory: UnsafeMutableRawPointer?) -> cl_int {
    guard let memory else { return CL_SUCCESS }
    return clSetMemObjectDestructorCallback(buffer, { _, memory in free(memory) }, memory)
  }

  /// The program of `source` compiled with `options`: remembered, else from the disk cache, else
  /// built.
  /// - Throws: `OpenCLError` with the build log.
  public func program(source: String, options: String) throws -> Program {
    let key = ProgramKey(source: source, options: options)
    if let known = programs[key] { return known }
    let program = try loadOrBuild(source: source, options: options)
    programs[key] = program
    return program
  }

  /// The program from the disk cache, else built and stored there.
  /// - Throws: `OpenCLError` with the build log.
  package func loadOrBuild(source: String, options: String) throws -> Program {
    let builder = ProgramBuilder(context: context, device: device)
    guard let cache else { return try builder.fromSource(source, options: options) }
    let key = cacheKey(source: source, options: options)
    // A binary that the driver no longer takes is as good as none.
    if let binary = cache.load(key),
      let program = try? builder.fromBinary(binary, options: options)
    {
      return program
    }
    let program = try builder.fromSource(source, options: options)
    if let binary = try? builder.binary(of: program), !binary.isEmpty {
      cache.store(binary, for: key)
    }
    return program
  }

  /// Everything that determines the binary of a program.
  package func cacheKey(source: String, options: String) -> String {
    [
      device.platformName, device.platformVersion, device.name, device.vendor,
      device.driverVersion, device.version, options, source,
    ].joined(separator: "\0")
  }

  /// Puts a launch into the queue.
  /// - Throws: `OpenCLError` naming the kernel and its grid.
  public func enqueue(_ launch: Launch) throws {
    guard let profiler else { return try enqueue(launch, event: nil) }
    try makeQueueProfiling()
    var event: cl_event?
    try enqueue(launch, event: &event)
    if let event { try profiler.book(launch, event: EventHandle(event)) }
  }

  private func enqueue(_ launch: Launch, event: UnsafeMutablePointer<cl_event?>?) throws {
    try launch.kernel.bind(launch.arguments)
    try check(
      "clEnqueueNDRangeKernel",
      clEnqueueNDRangeKernel(
        queue.pointer, launch.kernel.handle, cl_uint(launch.global.count),
        launch.offset.isEmpty ? nil : launch.offset, launch.global, launch.local, 0, nil, event),
      "kernel \(launch.kernel.name), \(launch.global) work-items in groups of \(launch.local ?? [])"
    )
  }

  /// A queue keeps times only if made so: one that does not is emptied and replaced.
  private func makeQueueProfiling() throws {
    guard !queue.isProfiling else { return }
    try finish()
    queue = try QueueHandle(context, device, profiling: true)
  }

  /// Waits until the queue is empty.
  /// - Throws: `OpenCLError` when the device failed.
  public func finish() throws { try queue.drain() }

  /// Hands what is queued to the device.
  /// - Throws: `OpenCLError` when the device failed.
  public func flush() throws { try check("clFlush", clFlush(queue.pointer)) }
}
