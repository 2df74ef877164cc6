import Foundation

/// The machine's own memory.
public enum HostMemory {
  /// Bytes that can be used without swapping; all physical memory where the system does not say.
  public static var available: Int {
    if let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
      let kilobytes = line.split(separator: " ").compactMap({ Int($0) }).first
    {
      return kilobytes * 1024
    }
    return Int(clamping: ProcessInfo.processInfo.physicalMemory)
  }
}
