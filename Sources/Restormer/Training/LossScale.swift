/// The factor of the loss's gradient, and so of all gradients, where they are stored as half.
///
/// Half precision ends at 65504 and loses what is below 6e-8, where many gradients lie: a power of
/// two lifts them, and float sums give it back. It is as large as it can be: a gradient that is not
/// finite halves it, and its step is skipped; after many steps without one it doubles. These are
/// the numbers of PyTorch's `GradScaler`, with bounds.
package struct LossScale: Sendable, Hashable {
  /// Steps in a row with a finite gradient after which the factor doubles.
  package static let interval = 2000
  /// The least and the largest factor.
  package static let bounds = 1...1 << 24

  /// The factor, a power of two.
  package private(set) var factor = 1 << 16
  /// Steps with a finite gradient since the factor last changed.
  package private(set) var goodSteps = 0

  /// The factor of a run's first step.
  package init() {}

  /// Takes a step with a finite gradient into account.
  package mutating func grow() {
    goodSteps += 1
    guard goodSteps == Self.interval else { return }
    (factor, goodSteps) = (min(2 * factor, Self.bounds.upperBound), 0)
  }

  /// Halves the factor; false if it cannot be less.
  package mutating func halve() -> Bool {
    goodSteps = 0
    guard factor > Self.bounds.lowerBound else { return false }
    factor /= 2
    return true
  }

  /// Both numbers as text.
  package var text: String { "\(factor) \(goodSteps)" }

  /// Reads what `text` gave; nil for what no run writes.
  package init?(_ text: String) {
    let numbers = text.split(separator: " ").map { Int($0) }
    guard numbers.count == 2, let factor = numbers[0], let goodSteps = numbers[1],
      Self.bounds.contains(factor), factor.nonzeroBitCount == 1,
      (0..<Self.interval).contains(goodSteps)
    else { return nil }
    (self.factor, self.goodSteps) = (factor, goodSteps)
  }
}
