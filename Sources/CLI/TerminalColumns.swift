import CTerminal

extension Character {
  /// The columns that a terminal gives this character: two for wide ones, none for what only
  /// combines.
  var columns: Int {
    // A picture that is asked for by a selector is wide, whatever it is as text.
    if unicodeScalars.contains("\u{FE0F}") { return 2 }
    return unicodeScalars.reduce(0) { sum, scalar in
      if scalar.isASCII { return sum + 1 }
      let width = Int(cterminal_columns(scalar.value))
      // A character that the system does not know may be wide.
      return sum + (width < 0 ? 2 : width)
    }
  }
}

extension String {
  /// The columns that a terminal gives this text.
  var columns: Int { reduce(0) { $0 + $1.columns } }

  /// As much of the text as fits.
  func cut(toColumns limit: Int) -> Substring {
    var (end, used) = (startIndex, 0)
    while end < endIndex {
      used += self[end].columns
      if used > limit { break }
      end = index(after: end)
    }
    return self[..<end]
  }
}
