import Foundation

/// Appends rows of numbers to a CSV file; after a resumed run the rows past its step are gone.
final class MetricsLog {
  private let path: String
  private let columns: [String]
  private var rows: [String]

  /// Opens or starts the log and drops rows of step `step` and later.
  init(path: String, columns: [String], before step: Int) throws {
    (self.path, self.columns) = (path, columns)
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    rows = text.split(whereSeparator: \.isNewline).dropFirst().map(String.init).filter { row in
      (row.split(separator: ",").first.flatMap { Int($0) } ?? .max) <= step
    }
    try save()
  }

  func append(_ values: [Double?]) throws {
    rows.append(
      values.map { value in
        guard let value else { return "" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
      }.joined(separator: ","))
    try save()
  }

  private func save() throws {
    let text = ([columns.joined(separator: ",")] + rows).joined(separator: "\n") + "\n"
    try writeAtomically(Array(text.utf8), to: path)
  }
}
