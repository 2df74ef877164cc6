import Foundation

/// The control groups of Linux that this process is in: a container's limits, and those of a job of
/// a cluster.
package struct ControlGroup {
  /// Where the system shows the groups, and the file that says which of them a process is in.
  private let root: String
  private let membership: String

  /// The groups of this process, or those that other files show.
  package init(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
    (self.root, self.membership) = (root, membership)
  }

  /// Cores that the tightest of the groups grants, rounded up; nil without a limit.
  package var cores: Int? {
    let quotas =
      folders("").compactMap { quota("\($0)/cpu.max") }
      + folders("cpu").compactMap { folder in
        share(number("\(folder)/cpu.cfs_quota_us"), of: number("\(folder)/cpu.cfs_period_us"))
      }
    return quotas.min()
  }

  /// Bytes that the tightest of the groups leaves; nil without a limit. The cache of files counts
  /// as free, the system gives it back.
  package var memory: Int? {
    let unified = folders("").compactMap { folder in
      left(
        of: "\(folder)/memory.max", used: "\(folder)/memory.current", cache: "inactive_file",
        in: "\(folder)/memory.stat")
    }
    let first = folders("memory").compactMap { folder in
      left(
        of: "\(folder)/memory.limit_in_bytes", used: "\(folder)/memory.usage_in_bytes",
        cache: "total_inactive_file", in: "\(folder)/memory.stat")
    }
    return (unified + first).min()
  }

  /// The folders of the process's group and of those above it, in the hierarchy of a controller of
  /// the first version, or in the second version's only one (""). Inside a container the name of
  /// its group may be that outside: its folders are not there then, but the container's own is the
  /// topmost.
  private func folders(_ controller: String) -> [String] {
    let text = (try? String(contentsOfFile: membership, encoding: .utf8)) ?? ""
    let top = controller.isEmpty ? root : "\(root)/\(controller)"
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3,
        fields[1].split(separator: ",").contains(Substring(controller))
          || (controller.isEmpty && fields[1].isEmpty)
      else { continue }
      let names = fields[2].split(separator: "/")
      return (0...names.count).map { depth in
        ([top] + names.prefix(depth).map(String.init)).joined(separator: "/")
      }
    }
    return [top]
  }

  /// The second version's "QUOTA PERIOD", of which the first may be "max".
  private func quota(_ path: String) -> Int? {
    let fields = (Self.text(path) ?? "").split(separator: " ")
    guard fields.count == 2 else { return nil }
    return share(Int(fields[0]), of: Int(fields[1]))
  }

  private func share(_ quota: Int?, of period: Int?) -> Int? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return max(1, quota / period + (quota % period > 0 ? 1 : 0))
  }

  private func left(of limit: String, used: String, cache: String, in table: String) -> Int? {
    // Without a limit there is none or a number near the largest.
    guard let limit = number(limit), limit < 1 << 60, let used = number(used) else { return nil }
    return max(0, limit - used + (Self.field(cache, of: table) ?? 0))
  }

  private func number(_ path: String) -> Int? { Self.text(path).flatMap { Int($0) } }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The number behind a name in one of the system's tables.
  static func field(_ name: String, of path: String) -> Int? {
    guard let line = text(path)?.split(separator: "\n").first(where: { $0.hasPrefix(name) })
    else { return nil }
    return line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first
  }
}
