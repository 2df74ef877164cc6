import Foundation

/// The machine's own memory.
package enum HostMemory {
  /// Bytes that this process can still use without swapping: of the machine, of its control group
  /// and of its address space, whichever is least; all physical memory where the system says
  /// nothing.
  package static var available: Int {
    let limits = [machine, ControlGroup().memory, addressSpace].compactMap { $0 }
    return max(0, limits.min() ?? Int(clamping: ProcessInfo.processInfo.physicalMemory))
  }

  /// The most bytes of memory that this process took so far; nil where the system does not say.
  package static var peak: Int? {
    ControlGroup.field("VmHWM:", of: "/proc/self/status").map { $0 * 1024 }
  }

  /// What Linux says is available without swapping: free memory, and caches that it would give
  /// back.
  private static var machine: Int? {
    ControlGroup.field("MemAvailable:", of: "/proc/meminfo").map { $0 * 1024 }
  }

  /// What `ulimit -v` leaves.
  private static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(addressSpaceResource, &limit) == 0, limit.rlim_cur < UInt64(Int.max),
      let used = ControlGroup.field("VmSize:", of: "/proc/self/status")
    else { return nil }
    return Int(limit.rlim_cur) - used * 1024
  }
}

#if canImport(Glibc)
  private let addressSpaceResource = __rlimit_resource_t(RLIMIT_AS.rawValue)
#else
  private let addressSpaceResource = RLIMIT_AS
#endif
