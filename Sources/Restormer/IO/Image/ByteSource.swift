import Foundation

/// Random access to the bytes of an image file, so that a header costs a few short reads.
struct ByteSource {
  /// The file as the caller named it.
  let path: String
  let count: Int
  private let fetch: (_ offset: Int, _ count: Int) throws(ImageError) -> [UInt8]

  /// Up to `count` bytes from `offset`: fewer at the end of the file, none beyond it.
  func bytes(at offset: Int, _ count: Int) throws(ImageError) -> [UInt8] {
    guard offset >= 0, offset < self.count else { return [] }
    return try fetch(offset, min(count, self.count - offset))
  }

  /// Bytes already in memory, which must outlive the source.
  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.path = path
    count = bytes.count
    fetch = { offset, count in [UInt8](bytes[offset..<offset + count]) }
  }

  /// An open file.
  init(_ file: InputFile) {
    path = file.path
    count = file.count
    fetch = { (offset, count) throws(ImageError) in
      var bytes = [UInt8](repeating: 0, count: count)
      let read = bytes.withUnsafeMutableBytes { file.read(into: $0, at: offset) }
      guard read == count else { throw file.error("read") }
      return bytes
    }
  }
}

/// A regular file opened for reading; closed when dropped.
final class InputFile {
  let path: String
  let count: Int
  private let descriptor: Int32

  /// Opens the file. Folders, pipes and devices are refused.
  init(path: String) throws(ImageError) {
    self.path = path
    // Without O_NONBLOCK a pipe would wait for its writer before it could be refused.
    descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw InputFile.lastError("open", path) }
    var status = stat()
    let known = fstat(descriptor, &status) == 0
    count = Int(status.st_size)
    switch status.st_mode & S_IFMT {
    case _ where !known: throw InputFile.lastError("open", path)
    case S_IFREG: return
    case S_IFDIR: throw ImageError(path: path, fault: "is a folder, not an image file")
    default: throw ImageError(path: path, fault: "is not a regular file")
    }
  }

  deinit { close(descriptor) }

  /// Fills `bytes` from `offset`; returns how many the file gave, or fewer upon a fault.
  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
      // Cut because one call moves less than 2 GiB on every system.
      let got = pread(descriptor, rest.baseAddress, min(rest.count, 1 << 30), off_t(offset + done))
      if got < 0, errno == EINTR { continue }
      if got <= 0 { break }
      done += got
    }
    return done
  }

  /// The error of the system call that has just failed.
  func error(_ operation: String) -> ImageError { InputFile.lastError(operation, path) }

  private static func lastError(_ operation: String, _ path: String) -> ImageError {
    ImageError(path: path, fault: "cannot \(operation): \(String(cString: strerror(errno)))")
  }
}
