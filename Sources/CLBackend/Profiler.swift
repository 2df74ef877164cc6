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

/// Collects the device time of every launch of a context.
public final class Profiler {
  private struct Entry {
    let label: String
    let flops: Double
    let bytes: Double
    let event: EventHandle
  }

  /// Events hold driver memory: they are read out before there are more than this many.
  private static let pendingLimit = 4096
  private var pending: [Entry] = []
  private var rows: [String: ProfileRow] = [:]

  /// A profiler that has seen nothing.
  public init() {}

  func book(_ launch: Launch, event: EventHandle) throws {
    pending.append(
      Entry(label: launch.label, flops: launch.flops, bytes: launch.bytes, event: event))
    // The newer half stays, so that the device is never left without work.
    if pending.count >= Self.pendingLimit { try settle(pending.count / 2) }
  }

  /// The totals by label, the longest time first, after waiting for what was enqueued.
  /// - Throws: `OpenCLError` when a launch failed or the driver keeps no times.
  public func summary() throws -> [ProfileRow] {
    try settle(pending.count)
    return rows.values.sorted { ($1.milliseconds, $0.label) < ($0.milliseconds, $1.label) }
  }

  /// Forgets every launch enqueued so far.
  public func reset() { (pending, rows) = ([], [:]) }

  private func settle(_ count: Int) throws {
    let entries = pending.prefix(count)
    pending.removeFirst(count)
    for entry in entries {
      try entry.event.wait()
      let start = try entry.event.time(CL_PROFILING_COMMAND_START)
      let end = try entry.event.time(CL_PROFILING_COMMAND_END)
      var row = rows[entry.label] ?? ProfileRow(label: entry.label)
      row.count += 1
      row.milliseconds += end > start ? Double(end - start) / 1e6 : 0
      row.flops += entry.flops
      row.bytes += entry.bytes
      rows[entry.label] = row
    }
  }
}
