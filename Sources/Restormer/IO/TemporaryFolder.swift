import Foundation

/// A folder of its own in the system's place for temporary files; it is gone with this object.
final class TemporaryFolder: Sendable {
  /// The folder.
  let path: String

  /// - Throws: `FileError` when it cannot be made.
  init() throws(FileError) {
    let path = NSTemporaryDirectory() + "restormer-\(getpid())-\(UUID().uuidString)"
    guard mkdir(path, 0o700) == 0 else { throw FileError.last("create", path) }
    self.path = path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file that nothing else uses.
  func newFile(_ suffix: String = "") -> String { "\(path)/\(UUID().uuidString)\(suffix)" }
}
