/// The one of `names` that takes the fewest edits to become `name`; for messages about
/// misspelt keys.
func nearestName(to name: String, among names: some Collection<String>) -> String? {
  names.sorted().min { editDistance($0, name) < editDistance($1, name) }
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
