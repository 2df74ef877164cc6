import Foundation

/// Where a program hears what was amiss in image files that could be read all the same, whoever
/// reads them.
public enum ImageRemarks {
  /// Told of a file and what was amiss in it, on the thread that reads it.
  public typealias Listener = @Sendable (_ path: String, _ remarks: [String]) -> Void

  private static let lock = NSLock()
  nonisolated(unsafe) private static var listener: Listener?

  /// From now on `listener` is told, in place of an earlier one.
  public static func listen(_ listener: @escaping Listener) {
    lock.withLock { self.listener = listener }
  }

  static func tell(_ path: String, _ remarks: [String]) {
    guard !remarks.isEmpty else { return }
    lock.withLock { listener }?(path, remarks)
  }
}
