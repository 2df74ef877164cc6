import Foundation
import Restormer

/// Passes on what was amiss in the images that a command reads: a line for each of the first files,
/// then how many more.
final class RemarkNotes: @unchecked Sendable {
  private let lock = NSLock()
  private var seen: Set<[UInt8]> = []
  private static let mostLines = 5

  /// Listens from now on.
  init() {
    ImageRemarks.listen { [weak self] path, remarks in self?.note(path, remarks) }
  }

  private func note(_ path: String, _ remarks: [String]) {
    let number = lock.withLock { seen.insert(Array(path.utf8)).inserted ? seen.count : nil }
    guard let number, number <= Self.mostLines else { return }
    Console.note("\(path): \(remarks.joined(separator: ", "))")
  }

  /// Says at the end how many files there were beyond those that were named.
  func finish() {
    let more = lock.withLock { seen.count } - Self.mostLines
    if more > 0 { Console.note("remarks about \(more) more \(more == 1 ? "file" : "files")") }
  }
}
