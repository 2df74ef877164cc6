import COpenCL

/// A place in a device's queue.
public final class QueueMark {
  private let event: cl_event

  fileprivate init(_ event: cl_event) { self.event = event }

  deinit { clReleaseEvent(event) }

  /// Waits until everything enqueued before is done.
  /// - Throws: `OpenCLError` when the device failed.
  public func wait() throws {
    var event: cl_event? = event
    try check("clWaitForEvents", clWaitForEvents(1, &event))
  }
}

extension OpenCLContext {
  /// The place behind everything enqueued so far, which is handed to the device.
  /// - Throws: `OpenCLError`.
  public func mark() throws -> QueueMark {
    var event: cl_event?
    let code = clEnqueueMarkerWithWaitList(queue.pointer, 0, nil, &event)
    try check("clEnqueueMarkerWithWaitList", code)
    guard let event else {
      throw OpenCLError(call: "clEnqueueMarkerWithWaitList", code: code, detail: "no event")
    }
    let mark = QueueMark(event)
    try flush()
    return mark
  }
}
