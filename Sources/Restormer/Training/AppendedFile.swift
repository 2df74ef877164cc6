import Foundation

/// A file that grows by whole pieces: a piece that does not fit on the disk leaves no part of
/// itself.
final class AppendedFile {
  private let path: String
  private let descriptor: Int32
  private var length: off_t

  /// Opens `path`, or makes it, to append to what it holds.
  /// - Throws: `FileError`.
  init(path: String) throws(FileError) {
    self.path = path
    descriptor = open(path.systemPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError.last("open", path) }
    length = lseek(descriptor, 0, SEEK_END)
  }

  deinit { close(descriptor) }

  /// Waits until the disk has what was appended; a file system that cannot say so is no fault.
  func flush() { fsync(descriptor) }

  /// Appends all of `bytes` or nothing.
  /// - Throws: `FileError` with the system's reason.
  func append(_ bytes: [UInt8]) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      let written = bytes.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + offset, $0.count - offset)
      }
      if written < 0 {
        if errno == EINTR { continue }
        let error = FileError.last("write", path)
        ftruncate(descriptor, length)
        throw error
      }
      offset += written
    }
    length += off_t(bytes.count)
  }
}
