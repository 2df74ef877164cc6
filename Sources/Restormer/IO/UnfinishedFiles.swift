import Foundation

extension AtomicFile {
  /// Removes what processes that were killed left half-written in `folder`. Nobody else may be
  /// writing there.
  static func removeUnfinished(in folder: String) {
    let names = (try? folderContents(folder)) ?? []
    for name in names where name.hasPrefix(".") && name.contains(".tmp-") {
      unlink("\(folder)/\(name)".systemPath)
    }
  }
}
