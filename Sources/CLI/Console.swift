import Foundation

/// What the program says: results on standard output, everything else on standard error.
enum Console {
  /// Whether standard error is a terminal that can redraw a line.
  static let isTerminal =
    isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  /// The line that is being redrawn, and whether only faults are told.
  private struct State {
    var isLineOpen = false
    var isQuiet = false
    /// Standard error as it was, where the process is to be silent.
    var errors: FileHandle?
  }
  private static let lock = NSLock()
  nonisolated(unsafe) private static var state = State()

  /// From now on only warnings, faults and results are told.
  static func beQuiet() { lock.withLock { state.isQuiet = true } }

  /// Lets nothing more of this process be seen but what it says of its own files.
  static func silence() {
    let errors = FileHandle(fileDescriptor: dup(STDERR_FILENO), closeOnDealloc: false)
    lock.withLock { state.errors = errors }
    let nowhere = open("/dev/null", O_WRONLY)
    for stream in [STDOUT_FILENO, STDERR_FILENO] { dup2(nowhere, stream) }
    close(nowhere)
  }

  /// A line of results.
  static func print(_ line: String) { write(Array((visible(line) + "\n").utf8)) }

  /// Results as they are.
  static func write(_ bytes: [UInt8]) {
    lock.withLock { closeLine() }
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(bytes))
    } catch {
      tell("error: standard output cannot be written to")
      exit(EXIT_FAILURE)
    }
  }

  /// A line about the run.
  static func note(_ line: String) {
    if !lock.withLock({ state.isQuiet }) { tell(line) }
  }

  /// A line about several files: the first of `names`, and how many more.
  static func note(_ line: String, of names: [String]) {
    guard let first = names.first else { return }
    note("\(first)\(names.count == 1 ? "" : " and \(names.count - 1) more"): \(line)")
  }

  /// A line about one of this process's own files, which each of several ranks says.
  static func noteOfFile(_ line: String) {
    guard !lock.withLock({ state.isQuiet }) else { return }
    tell(line, isOwn: true)
  }

  /// A problem with one of this process's own files.
  static func warnOfFile(_ line: String) { tell("warning: \(line)", isOwn: true) }

  /// A problem that does not stop the run.
  static func warn(_ line: String) { tell("warning: \(line)") }

  /// What went wrong, in one line.
  static func fault(_ line: String) { tell("error: \(line)") }

  private static func tell(_ line: String, isOwn: Bool = false) {
    lock.withLock {
      closeLine()
      say(visible(line, except: nil) + "\n", to: isOwn ? state.errors : nil)
    }
  }

  /// Replaces the terminal's current line, cut to what fits on it. The last columns stay free for
  /// the `^C` of an interruption.
  static func redraw(_ line: String) {
    lock.withLock {
      guard isTerminal, !state.isQuiet else { return }
      say("\r\u{1B}[K" + visible(line, except: nil).cut(toColumns: max(1, columns - 3)))
      state.isLineOpen = true
    }
  }

  /// Removes the line that was redrawn.
  static func clearLine() { lock.withLock { closeLine() } }

  private static func closeLine() {
    guard state.isLineOpen else { return }
    state.isLineOpen = false
    say("\r\u{1B}[K")
  }

  private static func say(_ text: String, to errors: FileHandle? = nil) {
    // Where this cannot be said, nothing can.
    try? (errors ?? .standardError).write(contentsOf: Data(text.utf8))
  }

  /// The terminal's width now: it may be changed at any time.
  static var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Names may hold control characters, which a terminal would obey, and bytes that are no text.
  static func visible(_ text: String, except kept: Unicode.Scalar? = "\n") -> String {
    let isHarmless = { (scalar: Unicode.Scalar) in
      scalar == kept || scalar.properties.generalCategory != .control
    }
    let text = text.printable
    guard !text.unicodeScalars.allSatisfy(isHarmless) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      result.unicodeScalars.append(isHarmless(scalar) ? scalar : "\u{FFFD}")
    }
    return result
  }
}

/// Columns of text, aligned by padding; numbers to the right.
struct TextTable {
  private let header: [String]
  private var rows: [[String]] = []

  init(_ header: [String]) { self.header = header }

  /// Adds a row; a line break within a cell would break the table.
  mutating func add(_ row: [String]) {
    rows.append(row.map { $0.split(whereSeparator: \.isNewline).joined(separator: "\u{FFFD}") })
  }

  var lines: [String] {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].columns }.max() ?? 0 }
    return all.map { row in
      zip(row, widths).map { cell, width in
        let gap = String(repeating: " ", count: width - cell.columns)
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
