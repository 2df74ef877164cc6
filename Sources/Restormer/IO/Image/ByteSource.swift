import CImage
import Foundation

/// Random access to the bytes of an image file, for decoders that take what they need.
final class ByteSource {
  /// The file as the caller named it.
  let path: String
  let count: Int
  /// Fills memory from an offset and returns how many bytes there were.
  private let fetch: (UnsafeMutableRawBufferPointer, _ offset: Int) -> Int

  /// Bytes already in memory, which must outlive the source.
  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.path = path
    count = bytes.count
    fetch = { memory, offset in
      guard offset < bytes.count else { return 0 }
      let part = UnsafeRawBufferPointer(rebasing: bytes[offset...].prefix(memory.count))
      memory.copyMemory(from: part)
      return part.count
    }
  }

  /// An open file.
  init(_ file: InputFile) {
    path = file.path
    count = file.count
    fetch = file.read
  }

  /// Up to `count` bytes from the start.
  func start(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { bytes, read in
      read = fetch(UnsafeMutableRawBufferPointer(bytes), 0)
    }
  }

  /// `count` bytes from `offset` on; nil where there are fewer.
  func bytes(_ count: Int, at offset: Int) -> [UInt8]? {
    guard offset >= 0, offset <= self.count, count <= self.count - offset else { return nil }
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { bytes, read in
      read = fetch(UnsafeMutableRawBufferPointer(bytes), offset)
    }
    return bytes.count == count ? bytes : nil
  }

  /// The source for C, as long as this object lives.
  var c: CImageSource {
    CImageSource(context: Unmanaged.passUnretained(self).toOpaque(), size: UInt64(count)) {
      context, offset, memory, count in
      guard let context, offset <= UInt64(Int.max) else { return 0 }
      let source = Unmanaged<ByteSource>.fromOpaque(context).takeUnretainedValue()
      return source.fetch(UnsafeMutableRawBufferPointer(start: memory, count: count), Int(offset))
    }
  }

  func error(_ fault: String) -> ImageError { ImageError(path: path, fault: fault) }
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

  private static func lastError(_ operation: String, _ path: String) -> ImageError {
    ImageError(path: path, fault: "cannot \(operation): \(String(cString: strerror(errno)))")
  }
}
