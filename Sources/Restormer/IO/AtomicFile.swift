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
/// the name before stays.
package final class AtomicFile {
  private let path: String
  private let target: String
  private let temporary: String
  private var descriptor: Int32

  /// Creates the temporary file. A link is followed: the file behind it is replaced, not the link.
  package init(path: String) throws(FileError) {
    self.path = path
    target = try AtomicFile.resolve(path)
    (temporary, descriptor) = try AtomicFile.create(beside: target, for: path)
  }

  deinit { discard() }

  /// Appends all bytes, however many calls the system needs for them.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
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
    while fsync(descriptor) != 0 {
      if errno != EINTR { throw FileError.last("write", path) }
    }
    let closed = close(descriptor)
    descriptor = -1
    if closed != 0 {
      let error = FileError.last("write", path)
      unlink(temporary)
      throw error
    }
    if rename(temporary, target) != 0 {
      let error = FileError.last("replace", path)
      unlink(temporary)
      throw error
    }
    flushFolder()
  }

  private func discard() {
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
    unlink(temporary)
  }

  /// The new name itself survives a power cut only once its folder is flushed; some file systems
  /// cannot do that, which is no fault.
  private func flushFolder() {
    let folder = open(AtomicFile.folder(of: target), O_RDONLY)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The file to replace. Devices, pipes and folders are refused: a rename would destroy them.
  private static func resolve(_ path: String) throws(FileError) -> String {
    var status = stat()
    guard stat(path, &status) == 0 else { return path }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "is a folder" : "is not a regular file"
      throw FileError(path: path, operation: "write", reason: kind)
    }
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func create(
    beside target: String, for path: String
  ) throws(FileError) -> (String, Int32) {
    let name = target.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    guard !name.isEmpty else {
      throw FileError(path: path, operation: "write", reason: "names no file")
    }
    // File systems take 255 bytes; a long name is shortened to leave room for the suffix.
    let stem = String(decoding: name.utf8.prefix(200), as: UTF8.self)
    for number in 0..<10_000 {
      let temporary = "\(folder(of: target))/.\(stem).tmp-\(getpid())-\(number)"
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
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
