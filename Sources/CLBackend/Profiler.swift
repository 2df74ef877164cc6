import COpenCL

/// What the launches under one label cost in all.
public struct ProfileRow: Sendable {
  /// The label.
  public let label: String
  /// Launches.
  public var count = 0
  /// Time on the device.
  public var milliseconds = 0.0
  /// Floating-point operations.
  public var flops = 0.0
  /// Bytes moved at least.
  public var bytes = 0.0
}

/// Collects the device time of every launch.
public final class Profiler {
  private var pending: [(launch: Launch, event: cl_event)] = []
  private var rows: [String: ProfileRow] = [:]

  init() {}

  deinit { for (_, event) in pending { clReleaseEvent(event) } }

  func book(_ launch: Launch, event: cl_event) {
    pending.append((launch, event))
    // Events hold driver memory: settle accounts before there are too many.
    if pending.count >= 4096 { try? settle() }
  }

  /// The totals by label, after waiting for what was enqueued.
  /// - Throws: `OpenCLError` when the driver keeps no times.
  public func summary() throws -> [ProfileRow] {
    try settle()
    return Array(rows.values)
  }

  /// Forgets everything.
  public func reset() {
    try? settle()
    rows = [:]
  }

  private func settle() throws {
    defer {
      for (_, event) in pending { clReleaseEvent(event) }
      pending = []
    }
    for (launch, event) in pending {
      var waited: cl_event? = event
      try check("clWaitForEvents", clWaitForEvents(1, &waited))
      let start = try time(event, CL_PROFILING_COMMAND_START)
      let end = try time(event, CL_PROFILING_COMMAND_END)
      var row = rows[launch.label] ?? ProfileRow(label: launch.label)
      row.count += 1
      row.milliseconds += Double(end &- start) / 1e6
      row.flops += launch.flops
      row.bytes += launch.bytes
      rows[launch.label] = row
    }
  }

  private func time(_ event: cl_event, _ parameter: Int32) throws -> cl_ulong {
    var value: cl_ulong = 0
    try check(
      "clGetEventProfilingInfo",
      clGetEventProfilingInfo(event, cl_profiling_info(parameter), 8, &value, nil))
    return value
  }
}
