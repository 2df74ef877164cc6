/// No network gives a sharp page back bit for bit, so a model may say from when on it helps.
extension ModelWeights {
  static let crispnessKey = "restormer.least_crispness_gain"

  /// How many times as crisp a picture has to become to be worth changing, as the weights' metadata
  /// say; nil for weights that change everything.
  package var leastCrispnessGain: Double? { metadata[Self.crispnessKey].flatMap { Double($0) } }
}

/// How much steeper a picture's own edges became by restoring.
///
/// Where Δ are the steps between neighbours, the gain is Σ Δafter² / Σ Δbefore Δafter. The noise
/// before, which both do not share, cancels out of the second sum.
struct Crispness: Sendable {
  private var own = 0.0
  private var shared = 0.0
  private var above: (before: [Float], after: [Float]) = ([], [])

  /// Of nothing yet.
  init() {}

  /// Of steps that are summed already.
  init(own: Double, shared: Double) { (self.own, self.shared) = (own, shared) }

  /// How many times as steep edges became; 1 where there are none.
  var gain: Double { own > 0 ? own / max(shared, 1e-12 * own) : 1 }

  /// Adds a row; those of a plane come one after the other.
  mutating func add(_ y: Int, before: [Float], after: [Float]) {
    func add(_ stepBefore: Float, _ stepAfter: Float) {
      own += Double(stepAfter * stepAfter)
      shared += Double(stepBefore * stepAfter)
    }
    for x in 1..<max(1, after.count) { add(before[x] - before[x - 1], after[x] - after[x - 1]) }
    if y > 0 {
      for x in after.indices { add(before[x] - above.before[x], after[x] - above.after[x]) }
    }
    above = (before, after)
  }

  /// Of two planes together.
  static func + (a: Crispness, b: Crispness) -> Crispness {
    var sum = Crispness()
    (sum.own, sum.shared) = (a.own + b.own, a.shared + b.shared)
    return sum
  }

  /// Whether edges became more than `factor` times as steep.
  func grows(by factor: Double) -> Bool { own > factor * shared }
}
