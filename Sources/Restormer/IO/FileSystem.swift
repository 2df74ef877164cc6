import Foundation

/// What lies under a path; links are followed.
package enum FileKind {
  case file
  case folder
  /// A pipe, a device and the like.
  case other

  /// What is at `path`; nil where there is nothing, or nothing that may be seen.
  package init?(_ path: String) {
    var status = stat()
    guard stat(path.systemPath, &status) == 0 else { return nil }
    self.init(status)
  }

  init(_ status: stat) {
    self =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      default: .other
      }
  }
}

/// The names in a folder, in the order of their bytes, without `.` and `..`.
/// - Throws: `FileError`.
package func folderContents(_ path: String) throws(FileError) -> [String] {
  guard let stream = opendir(path.systemPath) else { throw FileError.last("read the folder", path) }
  defer { closedir(stream) }
  var names: [String] = []
  errno = 0
  while let entry = readdir(stream) {
    // The entry is shorter than its type says: it must not be copied.
    let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
    let start = UnsafeRawPointer(entry) + offset
    let length = strlen(start.assumingMemoryBound(to: CChar.self))
    let name = String(systemBytes: UnsafeRawBufferPointer(start: start, count: length))
    if name != ".", name != ".." { names.append(name) }
    errno = 0
  }
  guard errno == 0 else { throw FileError.last("read the folder", path) }
  return names.sorted(by: String.precedes)
}

/// Makes a folder and those above it, unless they are there.
/// - Throws: `FileError`.
package func makeFolders(_ path: String) throws(FileError) {
  guard mkdir(path.systemPath, 0o777) != 0 else { return }
  if errno == ENOENT, !path.folderPath.isEmpty, path.folderPath != path {
    try makeFolders(path.folderPath)
    guard mkdir(path.systemPath, 0o777) != 0 else { return }
  }
  let error = FileError.last("make the folder", path)
  guard case .folder? = FileKind(path) else { throw error }
}

/// A file opened for reading. Folders, pipes and devices are refused.
/// - Throws: `FileError`.
package func openFile(_ path: String) throws(FileError) -> FileHandle {
  // Without O_NONBLOCK a pipe would wait for its writer before it could be refused.
  let descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else { throw FileError.last("open", path) }
  let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw FileError.last("open", path) }
  switch FileKind(status) {
  case .file: break
  case .folder: throw FileError(path: path, operation: "read", reason: "is a folder")
  case .other: throw FileError(path: path, operation: "read", reason: "is not a regular file")
  }
  return file
}

/// A file's bytes, mapped: what is not touched takes no memory. Folders, pipes and devices are
/// refused.
/// - Throws: `FileError`.
package func mappedFile(_ path: String) throws(FileError) -> Data {
  let file = try openFile(path)
  let descriptor = file.fileDescriptor
  let count = Int(lseek(descriptor, 0, SEEK_END))
  guard count > 0 else { return Data() }
  // The descriptor must live until its file is mapped.
  defer { withExtendedLifetime(file) {} }
  guard let bytes = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), bytes != MAP_FAILED
  else { throw FileError.last("read", path) }
  return Data(bytesNoCopy: bytes, count: count, deallocator: .unmap)
}
