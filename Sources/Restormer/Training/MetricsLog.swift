import Foundation

/// Appends rows of numbers to a CSV file; when a run goes on, the rows past its step are dropped
/// first.
package final class MetricsLog {
  let file: AppendedFile

  /// Opens or starts the log. Rows start with their step; those after `step` are dropped, and those
  /// of `step` itself that have a value in column `repeated`, which will come again.
  /// - Throws: `FileError`; what the file holds is then as it was.
  package init(path: String, columns: [String], after step: Int, without repeated: String?) throws {
    let column = repeated.flatMap(columns.firstIndex)
    let rows = try Self.rows(path).dropFirst().filter { row in
      let fields = row.split(separator: ",", omittingEmptySubsequences: false)
      // A row cut short by a full disk goes too.
      guard fields.count == columns.count, let number = Int(fields[0]) else { return false }
      return number < step || number == step && column.map { fields[$0].isEmpty } ?? true
    }
    let kept = [columns.joined(separator: ",")] + rows.map(String.init)
    try writeAtomically(Array((kept.joined(separator: "\n") + "\n").utf8), to: path)
    file = try AppendedFile(path: path)
  }

  private static func rows(_ path: String) throws -> [Substring] {
    guard FileKind(path) != nil else { return [] }
    return String(decoding: try mappedFile(path), as: UTF8.self).split(whereSeparator: \.isNewline)
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
