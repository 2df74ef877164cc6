import Foundation

/// Reads a user's YAML file.
enum YAMLText {
  /// What `parser` makes of the file's text.
  /// - Throws: `DataError` naming the file: it cannot be read, or the parser's fault in one line.
  static func parse<Result>(
    contentsOf path: String, by parser: (String) throws -> Result
  ) throws -> Result {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw DataError("\(path): no such file, or it cannot be read")
    }
    do {
      return try parser(text)
    } catch {
      // A parser's message shows the place over several lines.
      let lines = "\(error)".split(whereSeparator: \.isNewline)
      let line = lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
      throw DataError("\(path): \(line)")
    }
  }
}
