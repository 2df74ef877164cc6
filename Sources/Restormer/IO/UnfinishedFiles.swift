import Foundation

extension AtomicFile {
  /// Removes what processes that were killed left half-written in `folder`. Nobody else may be writing there.
  static func removeUnfinished(in folder: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix(".") && name.contains(".tmp-") {
      unlink("\(folder)/\(name)")
    }
  }
}

extension FileError {
  /// A folder that cannot be made, from what `FileManager` threw.
  package static func make(_ path: String, _ error: any Error) -> FileError {
    let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code
    let reason = code.map { String(cString: strerror($0.rawValue)) } ?? "not possible here"
    return FileError(path: path, operation: "make the folder", reason: reason)
  }
}
