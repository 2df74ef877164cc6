import Foundation

/// What the program says: results on standard output, everything else on standard error.
enum Console {
  /// Whether standard error is a terminal that can redraw a line.
  static let isTerminal = isatty(STDERR_FILENO) == 1

  /// Lets nothing more of this process be seen.
  static func silence() {
    let nowhere = open("/dev/null", O_WRONLY)
    for stream in [STDOUT_FILENO, STDERR_FILENO] { dup2(nowhere, stream) }
    close(nowhere)
  }

  /// A line of results.
  static func print(_ line: String) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data((visible(line) + "\n").utf8))
    } catch {
      note("error: standard output cannot be written to")
      exit(EXIT_FAILURE)
    }
  }

  /// A line about the run.
  static func note(_ line: String) {
    // Where this cannot be said, nothing can.
    try? FileHandle.standardError.write(contentsOf: Data((visible(line) + "\n").utf8))
  }

  /// Replaces the terminal's current line.
  static func redraw(_ line: some StringProtocol) {
    try? FileHandle.standardError.write(contentsOf: Data(("\r\u{1B}[K" + visible(line)).utf8))
  }

  /// Names inside files may hold control characters, which a terminal would obey.
  private static func visible(_ text: some StringProtocol) -> String {
    let isHarmless = { (scalar: Unicode.Scalar) in
      scalar == "\n" || scalar.properties.generalCategory != .control
    }
    guard !text.unicodeScalars.allSatisfy(isHarmless) else { return String(text) }
    var result = ""
    for scalar in text.unicodeScalars {
      result.unicodeScalars.append(isHarmless(scalar) ? scalar : "\u{FFFD}")
    }
    return result
  }

  /// A problem that does not stop the run.
  static func warn(_ line: String) { note("warning: \(line)") }
}

/// Columns of text, aligned by padding; numbers to the right.
struct TextTable {
  private let header: [String]
  private var rows: [[String]] = []

  init(_ header: [String]) { self.header = header }

  mutating func add(_ row: [String]) { rows.append(row) }

  var lines: [String] {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      zip(row, widths).map { cell, width in
        let gap = String(repeating: " ", count: width - cell.count)
        let isNumber = cell.first.map { $0.isNumber || $0 == "-" || $0 == "." } ?? false
        return isNumber ? gap + cell : cell + gap
      }.joined(separator: "  ").trimmingSuffix(" ")
    }
  }
}

extension String {
  func trimmingSuffix(_ character: Character) -> String {
    var text = self
    while text.last == character { text.removeLast() }
    return text
  }
}
