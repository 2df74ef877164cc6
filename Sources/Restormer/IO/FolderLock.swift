import Foundation

/// Keeps other processes that ask for the same lock out of a folder, for as long as it lives.
public final class FolderLock {
  private let path: String
  private let descriptor: Int32

  /// Locks the folder at `path`. A file system without locks is no reason not to work in it.
  /// - Throws: `DataError` when another process holds the lock.
  public init(_ path: String) throws {
    self.path = path
    descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
    guard descriptor < 0 || flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
    else {
      close(descriptor)
      throw DataError("\(path): another run is using this folder")
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Removes what a process that was killed left half-written in these folders of the folder.
  public func removeUnfinishedFiles(in folders: [String]) {
    for folder in folders { AtomicFile.removeUnfinished(in: "\(path)/\(folder)") }
  }
}
