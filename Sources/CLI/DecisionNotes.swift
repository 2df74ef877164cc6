import Restormer

/// What was decided about images on the way of a command that restores them, but for those that
/// were restored as a whole: whoever reads scores has to know whose input was left as it is.
final class DecisionNotes {
  private var names: [(decision: String, names: [String])] = []

  /// Takes down what was decided about the image `name`.
  /// - Returns: the decision, where it is worth a word.
  @discardableResult
  func add(_ name: String, _ decision: RestoreDecision) -> String? {
    guard let summary = decision.exceptional else { return nil }
    if let place = names.firstIndex(where: { $0.decision == summary }) {
      names[place].names.append(name)
    } else {
      names.append((summary, [name]))
    }
    return summary
  }

  /// Names the first images of each decision, in one line.
  func tell() {
    for (decision, names) in names { Console.note(decision, of: names) }
  }
}

extension RestoreDecision {
  /// Its exception, with the options that would change it.
  var exceptional: String? {
    exception.map { page?.summary ?? "\($0) (--even-sharp)" }
  }
}
