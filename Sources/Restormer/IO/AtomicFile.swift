import Foundation

/// A fault of the file system: which file, what was tried, and the system's reason, on one line.
public struct FileError: Error, CustomStringConvertible, Equatable, Sendable {
  /// The file as the caller named it.
  public let path: String
  /// What was being done, as in "cannot *write*".
  public let operation: String
  /// Why it failed, in the system's words.
  public let reason: String

  /// Makes an error from its three parts.
  public init(path: String, operation: String, reason: String) {
    self.path = path
    self.operation = operation
    self.reason = reason
  }

  /// The error of the system call that has just failed; reads `errno`.
  package static func last(_ operation: String, _ path: String) -> FileError {
    FileError(path: path, operation: operation, reason: String(cString: strerror(errno)))
  }

  /// Whether it is for want of room on the disk.
  var isDiskFull: Bool { [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) } }

  public var description: String { "\(path): cannot \(operation): \(reason)" }
}

/// A file that appears under its name whole or not at all.
///
/// Bytes go to a hidden file `.NAME.tmp-PID-N` in the same folder; `commit` flushes it to the disk
/// and renames it over the target. A file dropped without `commit` is removed, and what lay under
/// the name before stays. What is replaced hands down its permissions, and its owner and group
/// where the system lets it; where the file has several names, all of them show the new bytes.
package final class AtomicFile {
  private let path: String
  private let target: String
  private let temporary: String
  private var descriptor: Int32
  private var replaced: stat?

  /// Creates the temporary file. A link is followed: the file behind it is replaced, not the link.
  package init(path: String) throws(FileError) {
    self.path = path
    (target, replaced) = try AtomicFile.resolve(path)
    // Nobody may read more of a secret while it is written than before.
    let mode: mode_t = replaced == nil ? 0o666 : 0o600
    (temporary, descriptor) = try AtomicFile.create(beside: target, for: path, mode)
  }

  deinit { discard() }

  /// Appends all bytes, however many calls the system needs for them.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try AtomicFile.write(bytes, to: descriptor, path)
  }

  private static func write(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String
  ) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      // One call moves less than 2 GiB on every system, so larger requests are cut.
      let count = min(bytes.count - offset, 1 << 30)
      let written = systemWrite(descriptor, bytes.baseAddress! + offset, count)
      if written < 0 {
        if errno == EINTR { continue }
        throw FileError.last("write", path)
      }
      offset += written
    }
  }

  /// Flushes the bytes to the disk and gives the file its name.
  package func commit() throws(FileError) {
    var now = stat()
    if stat(target.systemPath, &now) == 0 { replaced = now }
    if let replaced { inherit(replaced) }
    try AtomicFile.flush(descriptor, path)
    if let replaced, replaced.st_nlink > 1 {
      try overwrite()
      return discard()
    }
    let closed = close(descriptor)
    descriptor = -1
    if closed != 0 {
      let error = FileError.last("write", path)
      unlink(temporary.systemPath)
      throw error
    }
    if rename(temporary.systemPath, target.systemPath) != 0 {
      let error = FileError.last("replace", path)
      unlink(temporary.systemPath)
      throw error
    }
    flushFolder()
  }

  /// Takes over owner, group and permissions. What only the group was allowed is left away where
  /// the group cannot be kept.
  private func inherit(_ old: stat) {
    var mode = old.st_mode & 0o777
    if fchown(descriptor, old.st_uid, old.st_gid) != 0,
      fchown(descriptor, uid_t.max, old.st_gid) != 0
    {
      mode = mode & 0o707 | mode & (mode & 0o007) << 3
    }
    fchmod(descriptor, mode)
  }

  /// Puts the bytes into the file that is there, which keeps its other names. There must be room
  /// for them beforehand: this alone is not undone when it fails half-way.
  private func overwrite() throws(FileError) {
    let data = try mappedFile(temporary)
    let old = open(target.systemPath, O_WRONLY | O_CLOEXEC)
    guard old >= 0 else { throw FileError.last("replace", path) }
    defer { close(old) }
    try AtomicFile.reserve(data.count, in: old, path)
    try data.withUnsafeBytes { bytes in
      Result { () throws(FileError) in try AtomicFile.write(bytes, to: old, path) }
    }.get()
    guard ftruncate(old, off_t(data.count)) == 0 else { throw FileError.last("write", path) }
    try AtomicFile.flush(old, path)
  }

  private static func reserve(
    _ count: Int, in descriptor: Int32, _ path: String
  ) throws(FileError) {
    #if os(Linux)
      var status = stat()
      guard fstat(descriptor, &status) == 0, count > status.st_size else { return }
      let code = posix_fallocate(descriptor, 0, off_t(count))
      guard code != 0 else { return }
      ftruncate(descriptor, status.st_size)
      errno = code
      throw FileError.last("write", path)
    #endif
  }

  private static func flush(_ descriptor: Int32, _ path: String) throws(FileError) {
    while fsync(descriptor) != 0 {
      if errno != EINTR { throw FileError.last("write", path) }
    }
  }

  private func discard() {
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
    unlink(temporary.systemPath)
  }

  /// The new name itself survives a power cut only once its folder is flushed; some file systems
  /// cannot do that, which is no fault.
  private func flushFolder() {
    let folder = open(AtomicFile.folder(of: target).systemPath, O_RDONLY)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  private static func folder(of path: String) -> String {
    path.folderPath.isEmpty ? "." : path.folderPath
  }

  /// The file to replace, and what is there. Devices, pipes and folders are refused: a rename would
  /// destroy them.
  private static func resolve(_ path: String) throws(FileError) -> (String, stat?) {
    var status = stat()
    if stat(path.systemPath, &status) != 0 {
      guard errno == ENOENT, lstat(path.systemPath, &status) == 0 else { return (path, nil) }
      // What is no link has been put there by another writer since.
      if status.st_mode & S_IFMT == S_IFLNK {
        throw FileError(path: path, operation: "write", reason: "is a link to nothing")
      }
    }
    switch FileKind(status) {
    case .file: break
    case .folder: throw FileError(path: path, operation: "write", reason: "is a folder")
    case .other: throw FileError(path: path, operation: "write", reason: "is not a regular file")
    }
    guard let real = realpath(path.systemPath, nil) else { return (path, status) }
    defer { free(real) }
    return (String(systemBytes: UnsafeRawBufferPointer(start: real, count: strlen(real))), status)
  }

  private static func create(
    beside target: String, for path: String, _ mode: mode_t
  ) throws(FileError) -> (String, Int32) {
    guard !target.isEmpty, target.utf8.last != UInt8(ascii: "/") else {
      throw FileError(path: path, operation: "write", reason: "names no file")
    }
    // File systems take 255 bytes; a long name is shortened to leave room for the suffix.
    let stem = String(systemBytes: target.fileName.systemBytes.prefix(200))
    for number in 0..<10_000 {
      let temporary = "\(folder(of: target))/.\(stem).tmp-\(getpid())-\(number)"
      let descriptor = open(temporary.systemPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      if descriptor >= 0 { return (temporary, descriptor) }
      guard errno == EEXIST || errno == EINTR else { throw FileError.last("create", path) }
    }
    throw FileError(path: path, operation: "create", reason: "too many temporary files beside it")
  }
}

/// The system's `write`, which a method of that name would hide.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}

/// Writes a whole file beside its target and renames it: readers and crashes see the old file or
/// the new one, never a part. On any failure the temporary file is gone and the target is as it
/// was.
package func writeAtomically(
  _ bytes: UnsafeRawBufferPointer, to path: String
) throws(FileError) {
  let file = try AtomicFile(path: path)
  try file.write(bytes)
  try file.commit()
}

/// Writes a whole file from an array, as `writeAtomically` does from memory.
package func writeAtomically(_ bytes: [UInt8], to path: String) throws(FileError) {
  let file = try AtomicFile(path: path)
  try bytes.withUnsafeBufferPointer { (buffer) throws(FileError) in
    try file.write(UnsafeRawBufferPointer(buffer))
  }
  try file.commit()
}
