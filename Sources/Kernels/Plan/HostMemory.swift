import Foundation

/// The machine's own memory.
public enum HostMemory {
  /// Bytes that this process can still use without swapping: of the machine, of its control group
  /// and of its address space, whichever is least; all physical memory where the system says
  /// nothing.
  public static var available: Int {
    let limits = [machine, controlGroup, addressSpace].compactMap { $0 }
    return max(0, limits.min() ?? Int(clamping: ProcessInfo.processInfo.physicalMemory))
  }

  /// What Linux says is available without swapping: free memory, and caches that it would give
  /// back.
  private static var machine: Int? {
    field("MemAvailable:", of: "/proc/meminfo").map { $0 * 1024 }
  }

  /// What a container's limit leaves; the cache of files counts as free, the system gives it back.
  private static var controlGroup: Int? {
    let folder = "/sys/fs/cgroup/"
    guard let limit = number(folder + "memory.max"), let used = number(folder + "memory.current")
    else { return nil }
    return limit - used + (field("inactive_file", of: folder + "memory.stat") ?? 0)
  }

  /// What `ulimit -v` leaves.
  private static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(addressSpaceResource, &limit) == 0, limit.rlim_cur < UInt64(Int.max),
      let used = field("VmSize:", of: "/proc/self/status")
    else { return nil }
    return Int(limit.rlim_cur) - used * 1024
  }

  private static func number(_ path: String) -> Int? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    return Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// The number behind a name in one of the system's tables.
  private static func field(_ name: String, of path: String) -> Int? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) })
    else { return nil }
    return line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first
  }
}

#if canImport(Glibc)
  private let addressSpaceResource = __rlimit_resource_t(RLIMIT_AS.rawValue)
#else
  private let addressSpaceResource = RLIMIT_AS
#endif
