import Foundation

/// A folder that one process at a time may write to.
final class FolderLock {
  private let descriptor: Int32

  /// Makes the folder with its `parts` and locks it; the lock ends with the process.
  /// - Throws: `FileError` when it cannot be made or written to, `DataError` when another run holds it.
  init(_ path: String, parts: [String] = []) throws {
    for folder in [path] + parts.map({ "\(path)/\($0)" }) { try makeFolders(folder) }
    descriptor = open("\(path)/.lock".systemPath, O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.last("write to the folder", path) }
    // A file system without locks is no reason not to train.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      close(descriptor)
      throw DataError("\(path): another run is using this folder")
    }
  }

  deinit { close(descriptor) }
}
