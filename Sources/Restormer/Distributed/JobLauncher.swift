import Foundation

/// The `mpirun` or `mpiexec` that started this process on this host.
///
/// Before it ends it stops its daemons on all hosts, and waits without limit for one that cannot be
/// reached: a job that has lost a host would never end.
struct JobLauncher {
  private static let names = ["mpirun", "mpiexec", "orterun", "prterun"]

  private let process: Int
  private let name: String

  /// The launcher among the processes that this one descends from; nil where there is none.
  init?() {
    var process = Int(getppid())
    while process > 1, let (name, parent) = Self.status(of: process) {
      if Self.names.contains(where: name.hasPrefix) {
        (self.process, self.name) = (process, name)
        return
      }
      process = parent
    }
    return nil
  }

  /// Name and parent of a process, as `/proc` has them.
  private static func status(of process: Int) -> (name: String, parent: Int)? {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let start = text.firstIndex(of: "("), let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 1, let parent = Int(fields[1]) else { return nil }
    return (String(text[text.index(after: start)..<end]), parent)
  }

  /// Kills it if it is still there in three seconds: it is deaf to other signals by then, or ends
  /// with a fault of its own. A process of its own does that, which no signal to the ranks reaches.
  func endSoon() {
    let script = """
      sleep 3
      read -r name <"/proc/$1/comm" && [ "$name" = "$2" ] && kill -KILL "$1"
      """
    var attributes = posix_spawnattr_t()
    guard posix_spawnattr_init(&attributes) == 0 else { return }
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let words = ["/bin/sh", "-c", script, "sh", "\(process)", name]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    posix_spawn(&child, "/bin/sh", nil, &attributes, &arguments, environ)
  }
}
