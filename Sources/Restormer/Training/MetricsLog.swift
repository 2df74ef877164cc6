import Foundation

/// Appends rows of numbers to a CSV file; when a run goes on, the rows past its step are dropped first.
final class MetricsLog {
  private let file: AppendedFile

  /// Opens or starts the log. Rows start with their step; those after `step` are dropped.
  /// - Throws: `FileError`.
  init(path: String, columns: [String], after step: Int) throws {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let rows = text.split(whereSeparator: \.isNewline).dropFirst().filter { row in
      let fields = row.split(separator: ",", omittingEmptySubsequences: false)
      // A row cut short by a full disk goes too.
      return fields.count == columns.count && (Int(fields[0]) ?? .max) <= step
    }
    let kept = [columns.joined(separator: ",")] + rows.map(String.init)
    try writeAtomically(Array((kept.joined(separator: "\n") + "\n").utf8), to: path)
    file = try AppendedFile(path: path)
  }

  /// Appends one row; nil leaves a field empty.
  func append(_ values: [Double?]) throws {
    let fields = values.map { value -> String in
      guard let value else { return "" }
      return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }
    try file.append(Array((fields.joined(separator: ",") + "\n").utf8))
  }
}
