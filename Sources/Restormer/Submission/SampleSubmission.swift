import Foundation

/// A competition's sample submission: its header and ids. The file stays on the disk and is read as
/// often as needed, so that its size does not matter.
package struct SampleSubmission: Sendable {
  /// The file.
  package let path: String
  /// The first line, as it is.
  let header: [UInt8]
  private let contents: Data
  /// Bytes before the second line.
  private let start: Int

  /// One row of the file.
  struct Row {
    /// The line's number, from 1; the header is line 1.
    let line: Int
    /// The first field as it stands, quotes included.
    let field: UnsafeRawBufferPointer
    /// The first field without the quotes around it.
    let id: UnsafeRawBufferPointer

    var text: String { String(decoding: id, as: UTF8.self) }
  }

  /// Opens the file and reads its header.
  /// - Throws: `FileError` for a file that cannot be read, `SubmissionError` for one that has no
  ///   rows or not two columns.
  package init(contentsOf path: String) throws {
    self.path = path
    let data = try mappedFile(path)
    contents = data
    let mark = data.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let end = data.firstIndex(of: Self.newline) ?? data.count
    start = min(data.count, end + 1)
    header = Array(data[min(mark, end)..<end].filter { $0 != Self.carriageReturn })
    guard header.filter({ $0 == Self.comma }).count == 1 else {
      let text = String(decoding: header.prefix(40), as: UTF8.self)
      throw SubmissionError("\(path): line 1 '\(text)', expected two columns such as id,value")
    }
    guard start < data.count else { throw SubmissionError("\(path): no row below the header") }
  }

  /// Calls `body` with each row in turn; empty lines are left out.
  /// - Throws: `SubmissionError` for a row without a second field; what `body` throws.
  func forEachRow(_ body: (Row) throws -> Void) throws {
    try contents.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      guard let base = bytes.baseAddress else { return }
      var (position, line) = (start, 1)
      while position < bytes.count {
        line += 1
        // A line break within quotes is part of the id.
        let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
        let quoted = Self.closingQuote(of: rest) ?? 0
        let found = memchr(base + position + quoted, Int32(Self.newline), rest.count - quoted)
        let length = found.map { UnsafeRawPointer($0) - (base + position) } ?? rest.count
        let text = UnsafeRawBufferPointer(start: base + position, count: length)
        position += length + 1
        if text.allSatisfy({ $0 == Self.carriageReturn }) { continue }
        try body(row(line, text))
      }
    }
  }

  private func row(_ line: Int, _ text: UnsafeRawBufferPointer) throws -> Row {
    let closing = Self.closingQuote(of: text)
    guard let comma = text[(closing ?? 0)...].firstIndex(of: Self.comma) else {
      throw SubmissionError("\(path): line \(line): one field, expected an id and a value")
    }
    let field = UnsafeRawBufferPointer(rebasing: text[..<comma])
    let id = closing.map { UnsafeRawBufferPointer(rebasing: text[1..<$0]) } ?? field
    return Row(line: line, field: field, id: id)
  }

  /// Where a text that begins with a quote has its closing one: a doubled quote is one that belongs
  /// to the text.
  private static func closingQuote(of text: UnsafeRawBufferPointer) -> Int? {
    guard text.first == quote else { return nil }
    var index = 1
    // No name is longer; a lone quote must not make every row a search to the end of the file.
    let end = min(text.count, 4096)
    while index < end {
      if text[index] == quote {
        guard index + 1 < text.count, text[index + 1] == quote else { return index }
        index += 1
      }
      index += 1
    }
    return nil
  }

  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")
  private static let comma = UInt8(ascii: ",")
  private static let quote = UInt8(ascii: "\"")
}
