import Foundation
import Restormer

/// The page that a command collects images for, from any thread, and writes at its end.
final class ReportFile {
  private let path: String
  private let share: FileShare
  private let adding = NSLock()
  private var numbers: [Int] = []
  private var report: ComparisonReport

  /// A page that is there already is replaced at the end; so that it is never a picture, the name
  /// must be a page's.
  /// - Throws: `ReportFailure` for another name, `FileError` when nothing can be written at `path`:
  ///   better now than after an hour of restoring.
  init(
    _ path: String, source: String, count: Int, border: Int = 0,
    limit: Int = ComparisonReport.defaultLimit, share: FileShare = .whole
  ) throws {
    guard ["html", "htm"].contains(path.fileExtension.lowercased()) else {
      throw ReportFailure(description: "\(path): a report is a page, expected a name with .html")
    }
    try ComparisonReport.checkWritable(path)
    (self.path, self.share) = (path, share)
    report = ComparisonReport(
      title: path.fileStem, source: source, count: count, border: border,
      limit: share.ranks.map { limit / $0.size } ?? limit)
  }

  /// Adds an image, which is the `number`-th of all.
  func add(
    _ name: String, number: Int, _ views: @autoclosure () throws -> ReportViews
  ) throws {
    try adding.withLock {
      try report.add(name, views())
      numbers.append(number)
    }
  }

  /// The means of all images, where there are targets.
  var means: (before: Scores?, after: Scores)? { report.means }

  /// Writes the page, if there is anything to show; of several ranks the first does.
  func finish() throws {
    report.content = try share.gathered(
      zip(numbers, report.content).map { Numbered(number: $0, value: $1) })
    guard report.count > 0, share.ranks?.isFirst ?? true else { return }
    let bytes = try report.write(to: path)
    let images = report.count == 1 ? "one image" : "\(grouped(report.count)) images"
    Console.note("\(path): \(images), \(String(format: "%.1f", Double(bytes) / 1e6)) MB")
  }
}

/// A report that cannot be made.
private struct ReportFailure: Error, CustomStringConvertible {
  let description: String
}
