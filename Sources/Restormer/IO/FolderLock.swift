import Foundation

/// Keeps other processes that ask for the same lock out of a folder, for as long as it lives.
package final class FolderLock {
  private let path: String
  private let descriptor: Int32

  /// Whether no other process that asked for the lock works in the folder.
  package let isAlone: Bool

  /// Locks the folder at `path`. A file system without locks is no reason not to work in it.
  /// - Parameters:
  ///   - path: a folder.
  ///   - shared: whether others that say so, too, may work in it at the same time.
  /// - Throws: `DataError` when another process holds the lock.
  package init(_ path: String, shared: Bool = false) throws {
    self.path = path
    descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
    isAlone = Self.lock(descriptor, LOCK_EX | LOCK_NB)
    guard isAlone && !shared || shared && Self.lock(descriptor, LOCK_SH | LOCK_NB) else {
      close(descriptor)
      throw DataError("\(path): another run is using this folder")
    }
  }

  /// Waits until no other process works in the folder at `path`, and locks it.
  package init(waitingFor path: String) {
    self.path = path
    descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
    isAlone = Self.lock(descriptor, LOCK_EX)
  }

  private static func lock(_ descriptor: Int32, _ operation: Int32) -> Bool {
    guard descriptor >= 0 else { return true }
    while flock(descriptor, operation) != 0 {
      if errno != EINTR { return errno != EWOULDBLOCK }
    }
    return true
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Removes what a process that was killed left half-written in these folders of the folder.
  package func removeUnfinishedFiles(in folders: [String]) {
    for folder in folders { AtomicFile.removeUnfinished(in: "\(path)/\(folder)") }
  }
}
