import COpenCL

// Every OpenCL handle is the same pointer type in Swift: a class for each keeps them apart and
// releases them.

/// A driver's context of one device.
final class ContextHandle {
  let pointer: cl_context

  init(_ device: OpenCLDevice) throws {
    var code: cl_int = 0
    var id: cl_device_id? = device.id
    pointer = try created(
      "clCreateContext", clCreateContext(nil, 1, &id, nil, nil, &code), code, device.name)
  }

  deinit { clReleaseContext(pointer) }
}

/// An in-order queue of commands.
final class QueueHandle {
  let pointer: cl_command_queue
  /// Whether its events carry times.
  let isProfiling: Bool

  init(_ context: ContextHandle, _ device: OpenCLDevice, profiling: Bool) throws {
    var code: cl_int = 0
    let properties = cl_command_queue_properties(profiling ? CL_QUEUE_PROFILING_ENABLE : 0)
    pointer = try created(
      "clCreateCommandQueue",
      clCreateCommandQueue(context.pointer, device.id, properties, &code), code, device.name)
    isProfiling = profiling
  }

  /// Waits until everything enqueued is done. `clFinish` alone returns early on some drivers; an
  /// event does not.
  /// - Throws: `OpenCLError` when the device failed.
  func drain() throws {
    var event: cl_event?
    try check(
      "clEnqueueMarkerWithWaitList", clEnqueueMarkerWithWaitList(pointer, 0, nil, &event))
    if let event { try EventHandle(event).wait() }
    // What went wrong on the way some drivers say only here.
    try check("clFinish", clFinish(pointer))
  }

  deinit {
    try? drain()
    clReleaseCommandQueue(pointer)
  }
}

/// The event of one enqueued command.
final class EventHandle {
  let pointer: cl_event

  init(_ pointer: cl_event) { self.pointer = pointer }

  deinit { clReleaseEvent(pointer) }

  func wait() throws {
    var event: cl_event? = pointer
    var code = clWaitForEvents(1, &event)
    if code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST { code = failure ?? code }
    try check("clWaitForEvents", code)
  }

  /// The code with which the command failed.
  private var failure: cl_int? {
    var status: cl_int = 0
    let code = clGetEventInfo(
      pointer, cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS), MemoryLayout<cl_int>.size,
      &status, nil)
    return code == CL_SUCCESS && status < 0 ? status : nil
  }

  /// The device's clock, in nanoseconds, at a moment named by a `CL_PROFILING_COMMAND` constant.
  func time(_ moment: Int32) throws -> UInt64 {
    var value: cl_ulong = 0
    let size = MemoryLayout<cl_ulong>.size
    try check(
      "clGetEventProfilingInfo",
      clGetEventProfilingInfo(pointer, cl_profiling_info(moment), size, &value, nil))
    return value
  }
}
