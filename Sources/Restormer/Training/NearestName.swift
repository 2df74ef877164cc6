/// The one of `names` that takes the fewest edits to become `name`, if it is like it at all; for
/// messages about misspelt keys.
func nearestName(to name: String, among names: some Collection<String>) -> String? {
  names.filter { isNear($0, name) }.sorted()
    .min { editDistance($0, name) < editDistance($1, name) }
}

/// Whether one name may be a misspelling of the other: at most a third of its letters differ.
func isNear(_ name: String, _ other: String) -> Bool {
  abs(name.count - other.count) < other.count
    && 3 * editDistance(name, other) <= max(3, other.count)
}

/// Levenshtein's distance: the fewest letters to insert, delete or replace.
func editDistance(_ a: String, _ b: String) -> Int {
  let (left, right) = (Array(a), Array(b))
  var row = Array(0...right.count)
  for (i, character) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in right.enumerated() {
      let cost = diagonal + (character == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(cost, row[j] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
