import Foundation
import Restormer

/// A file of a batch, or a path that is none.
struct InputFile {
  let path: String
  /// Why nothing can be done with it, known before it is tried.
  var fault: String?

  /// The file at `path`, or those of the folder there, by name. A path that does not exist and a folder without suitable
  /// files are one entry with a fault.
  /// - Parameter pdf: whether a folder's PDFs count as well.
  static func list(_ path: String, pdf: Bool = false) -> [InputFile] {
    guard FileManager.default.fileExists(atPath: path) else {
      return [InputFile(path: path, fault: "no such file or folder")]
    }
    guard isFolder(path) else { return [InputFile(path: path)] }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      return [InputFile(path: path, fault: "the folder cannot be read")]
    }
    let files = names.filter { name in
      !name.hasPrefix(".")
        && (ImageFormat(pathExtension: (name as NSString).pathExtension) != nil
          || pdf && CleanPage.isPDF(name))
    }
    guard !files.isEmpty else {
      let kinds = pdf ? "PNG, JPEG or PDF file" : "PNG or JPEG image"
      return [InputFile(path: path, fault: "no \(kinds) in this folder")]
    }
    return files.sorted().map { InputFile(path: (path as NSString).appendingPathComponent($0)) }
  }
}

/// Makes the folder for results, and those above it.
/// - Throws: `RestoreFailure` when it cannot be made or written to.
func makeFolder(_ path: String) throws {
  if FileManager.default.fileExists(atPath: path), !isFolder(path) {
    throw RestoreFailure(description: "\(path): expected a folder for the results, this is a file")
  }
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code
    let reason = code.map { ": " + String(cString: strerror($0.rawValue)) } ?? ""
    throw RestoreFailure(description: "\(path): the folder cannot be made\(reason)")
  }
  guard access(path, W_OK) == 0 else {
    throw RestoreFailure(description: "\(path): the folder cannot be written to")
  }
}

/// Whether a folder is at `path`.
func isFolder(_ path: String) -> Bool {
  var isDirectory: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    && isDirectory.boolValue
}
