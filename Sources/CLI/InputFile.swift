import ArgumentParser
import Foundation
import Restormer

/// A file of a batch, or a path that is none.
struct InputFile {
  let path: String
  /// The file's place below the folder that was named; its name alone for one that was named
  /// itself.
  let place: String
  /// Why nothing can be done with it, known before it is tried.
  var fault: String?

  /// What standard input is called on the command line.
  static let standardInput = "-"
}

/// The files that the paths of a command line stand for, each once.
struct InputFiles {
  private(set) var files: [InputFile] = []
  /// Images of formats that are not read.
  private(set) var leftOut: [String] = []
  /// Folders inside folders that were not gone into.
  private(set) var folders: [String] = []
  private let pdf: Bool
  private var seen: Set<[UInt8]> = []

  /// Files stand for themselves, folders for the images in them, by name. A path that does not
  /// exist and a folder without suitable files are one entry with a fault.
  ///
  /// - Parameters:
  ///   - pdf: whether a folder's PDFs count as well.
  ///   - recursive: whether folders inside folders count as well.
  ///   - excluded: a folder that is not gone into.
  init(
    _ paths: [String], pdf: Bool = false, recursive: Bool = false, except excluded: String? = nil
  ) {
    self.pdf = pdf
    for path in paths {
      if isFolder(path) {
        addFolder(path, recursive, excluded)
      } else {
        add(path, place: path.fileName, fault: Self.fault(of: path))
      }
    }
  }

  /// Says what was passed over, in one line each.
  /// - Parameter hint: what makes folders inside folders count, in brackets.
  func noteWhatIsLeftOut(hint: String = "") {
    if let note = ImageFolder.note(leftOut: leftOut) { Console.warn(note) }
    guard !folders.isEmpty else { return }
    let what =
      folders.count == 1 ? "1 folder inside was" : "\(folders.count) folders inside were"
    Console.note("\(what) not gone into\(hint): \(ImageFolder.listed(folders))")
  }

  private mutating func addFolder(_ path: String, _ recursive: Bool, _ excluded: String?) {
    do {
      let folder = try ImageFolder(path, pdf: pdf, recursive: recursive, except: excluded)
      leftOut += folder.leftOut.map(path.appending)
      folders += folder.folders.map(path.appending)
      for file in folder.files { add(path.appending(fileName: file), place: file, fault: nil) }
      for (inside, reason) in folder.faults {
        add(path.appending(fileName: inside), place: "", fault: Self.unreadable(reason))
      }
      if folder.files.isEmpty, folder.faults.isEmpty {
        let images = ImageFolder.readable
        let kinds = pdf ? images.replacing(" or ", with: ", ") + " or PDF file" : images + " image"
        add(path, place: "", fault: "no \(kinds) in this folder")
      }
    } catch {
      add(path, place: "", fault: Self.unreadable(error.reason))
    }
  }

  private static func unreadable(_ reason: String) -> String {
    "the folder cannot be read: \(reason)"
  }

  /// A file under two spellings of its path is one.
  private mutating func add(_ path: String, place: String, fault: String?) {
    guard seen.insert(Self.spelling(path)).inserted else { return }
    files.append(InputFile(path: path, place: place, fault: fault))
  }

  private static func spelling(_ path: String) -> [UInt8] {
    let folder = path.folderPath.isEmpty ? "." : path.folderPath
    guard path != InputFile.standardInput, let real = realpath(folder.systemPath, nil) else {
      return Array(path.utf8)
    }
    defer { free(real) }
    let bytes = UnsafeRawBufferPointer(start: real, count: strlen(real))
    return Array(bytes) + Array("/".utf8) + path.fileName.systemBytes
  }

  private static func fault(of path: String) -> String? {
    if path == InputFile.standardInput || FileKind(path) != nil { return nil }
    return errno == ENOENT ? "no such file or folder" : String(cString: strerror(errno))
  }
}

/// Names the images of other formats in `folders`, in one line; paths that are no folders count as
/// nothing.
func noteLeftOut(in folders: [String?]) {
  var seen: Set<FileIdentity> = []
  let paths = folders.compactMap { $0 }.filter { path in
    FileIdentity(path).map { seen.insert($0).inserted } ?? false
  }
  let leftOut = paths.flatMap { path in
    ((try? ImageFolder(path))?.leftOut ?? []).map(path.appending)
  }
  if let note = ImageFolder.note(leftOut: leftOut) { Console.warn(note) }
}

/// Ends a batch: tells what failed in it, if anything did, and that the command did.
func endBatch(_ faults: [String], of count: Int) throws {
  guard !faults.isEmpty else { return }
  if count > 1 { Console.note("\(faults.count) of \(count) failed:") }
  for fault in faults { Console.fault(fault) }
  throw ExitCode.failure
}

/// Makes the folder for results, and those above it.
/// - Throws: `RestoreFailure` when it cannot be made or written to.
func makeFolder(_ path: String) throws {
  if let kind = FileKind(path), kind != .folder {
    throw RestoreFailure(description: "\(path): expected a folder for the results, this is a file")
  }
  do {
    try makeFolders(path)
  } catch {
    throw RestoreFailure(description: "\(path): the folder cannot be made: \(error.reason)")
  }
  guard access(path.systemPath, W_OK) == 0 else {
    let reason = String(cString: strerror(errno))
    throw RestoreFailure(description: "\(path): the folder cannot be written to: \(reason)")
  }
}

/// Whether a folder is at `path`.
func isFolder(_ path: String) -> Bool { FileKind(path) == .folder }
