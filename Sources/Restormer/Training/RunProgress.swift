/// Where a run stands, besides the numbers of its parameters.
package struct RunProgress: Sendable, Hashable {
  /// Steps done.
  package var step = 0
  /// Updates that the optimizer has made: steps without the skipped ones, counted anew for another
  /// rule.
  package var updates = 0
  /// The factor of the loss's gradient, of use where gradients are stored as half.
  package var lossScale = LossScale()
  /// Processes that trained together.
  package var ranks = 1
  /// The best validation so far.
  package var best = BestScore()
  /// Losses of the epoch that has begun.
  package var epoch = LossSums()
  /// Whether the validation after this step is still to be made: a run that is asked to stop saves
  /// first.
  package var validationDue = false

  /// A run at its beginning.
  package init() {}

  /// As pairs of text, exact.
  var metadata: [String: String] {
    [
      "step": "\(step)", "updates": "\(updates)", "ranks": "\(ranks)", "epoch": epoch.text,
      "validation due": "\(validationDue)", "loss scale": lossScale.text,
    ].merging(best.metadata) { $1 }
  }

  /// Reads what `metadata` gave; nil if anything is missing.
  init?(metadata: [String: String]) {
    guard let step = metadata["step"].flatMap({ Int($0) }), step >= 0,
      let best = BestScore(metadata: metadata),
      let epoch = metadata["epoch"].flatMap({ LossSums($0) }),
      let validationDue = metadata["validation due"].flatMap({ Bool($0) }),
      // Older states have none.
      let lossScale = metadata["loss scale"].map({ LossScale($0) }) ?? LossScale()
    else { return nil }
    self.lossScale = lossScale
    (self.step, self.best, self.epoch) = (step, best, epoch)
    updates = metadata["updates"].flatMap { Int($0) } ?? step
    ranks = metadata["ranks"].flatMap { Int($0) } ?? 1
    self.validationDue = validationDue
  }
}

/// Sums over the steps of an epoch.
package struct LossSums: Sendable, Hashable {
  /// Steps.
  package private(set) var steps = 0
  /// Sum of the steps' mean absolute differences.
  package private(set) var l1 = 0.0
  /// Sum of the steps' mean squared differences.
  package private(set) var l2 = 0.0

  /// No step yet.
  package init() {}

  /// The mean losses per step, or nil before the first.
  package var means: (l1: Double, l2: Double)? {
    steps > 0 ? (l1 / Double(steps), l2 / Double(steps)) : nil
  }

  mutating func add(_ losses: BatchLosses) {
    steps += 1
    l1 += losses.l1
    l2 += losses.l2
  }

  /// The sums as text, exact.
  var text: String { "\(steps) \(l1) \(l2)" }

  init?(_ text: String) {
    let fields = text.split(separator: " ")
    guard fields.count == 3, let steps = Int(fields[0]), let l1 = Double(fields[1]),
      let l2 = Double(fields[2])
    else { return nil }
    (self.steps, self.l1, self.l2) = (steps, l1, l2)
  }
}
