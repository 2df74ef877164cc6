import Foundation

/// How many mistakes a text has against a reference: the fewest insertions, deletions and
/// replacements that turn one into the other (Levenshtein's distance), of characters and of words.
///
/// Runs of spaces and line ends count as one space. Characters are Unicode's code points in
/// composed form.
package struct TextErrors: Sendable, Hashable, Codable {
  /// Characters to insert, delete or replace.
  package private(set) var characterErrors = 0
  /// Characters of the reference.
  package private(set) var characters = 0
  /// Words to insert, delete or replace.
  package private(set) var wordErrors = 0
  /// Words of the reference.
  package private(set) var words = 0

  /// No text at all.
  package init() {}

  /// The mistakes of `text` against `reference`.
  package init(_ text: String, against reference: String) {
    let (found, expected) = (Self.words(text), Self.words(reference))
    let (letters, expectedLetters) = (Self.letters(found), Self.letters(expected))
    (characters, words) = (expectedLetters.count, expected.count)
    characterErrors = editDistance(letters, expectedLetters)
    wordErrors = editDistance(found, expected)
  }

  /// Errors per character of the reference; above 1 where a text is longer than it, infinite where
  /// the reference has none. Of several texts together it is the rate over all their characters.
  package var characterRate: Double { Self.rate(characterErrors, characters) }

  /// Errors per word of the reference.
  package var wordRate: Double { Self.rate(wordErrors, words) }

  /// The errors of both texts together.
  package static func + (a: TextErrors, b: TextErrors) -> TextErrors {
    var sum = a
    sum.characterErrors += b.characterErrors
    sum.characters += b.characters
    sum.wordErrors += b.wordErrors
    sum.words += b.words
    return sum
  }

  private static func rate(_ errors: Int, _ count: Int) -> Double {
    errors == 0 ? 0 : Double(errors) / Double(count)
  }

  private static func words(_ text: String) -> [String] {
    text.precomposedStringWithCanonicalMapping.split(whereSeparator: \.isWhitespace).map(
      String.init)
  }

  private static func letters(_ words: [String]) -> [Unicode.Scalar] {
    Array(words.joined(separator: " ").unicodeScalars)
  }
}

/// The fewest insertions, deletions and replacements between two sequences.
///
/// With d(i, j) for the first i and j elements: d(i, j) = min(d(i-1, j) + 1, d(i, j-1) + 1, d(i-1,
/// j-1) + [a_i ≠ b_j]). One row is kept; equal elements are compared as numbers.
func editDistance<Element: Hashable>(_ a: [Element], _ b: [Element]) -> Int {
  var numbers: [Element: Int32] = [:]
  func numbered(_ elements: [Element]) -> [Int32] {
    elements.map { element in
      if let known = numbers[element] { return known }
      let next = Int32(numbers.count)
      numbers[element] = next
      return next
    }
  }
  let (rows, columns) = (numbered(a), numbered(b))
  var distances = Array(0...columns.count)
  for (row, element) in rows.enumerated() {
    // The distances one row up at the column before, and at this one.
    var diagonal = row
    distances[0] = row + 1
    for column in columns.indices {
      let above = distances[column + 1]
      let replaced = diagonal + (columns[column] == element ? 0 : 1)
      distances[column + 1] = min(above + 1, distances[column] + 1, replaced)
      diagonal = above
    }
  }
  return distances[columns.count]
}
