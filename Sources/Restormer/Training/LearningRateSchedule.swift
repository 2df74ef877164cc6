import Foundation

/// The learning rate of every step as a function of the step's number, counted from 0.
///
/// The closed forms equal PyTorch's and BasicSR's values at every step, also beyond the nominal
/// end, where they rise again: `LearningRate` does not follow them there.
public enum LearningRateSchedule: Sendable, Hashable {
  /// The same rate throughout.
  case constant
  /// PyTorch's `CosineAnnealingLR`: half a cosine from the base rate to `minimum` in `period`
  /// steps, and on in the same wave: past `period` it rises again.
  case cosine(period: Int, minimum: Double)
  /// The authors' `CosineAnnealingRestartCyclicLR`: cycles of their own length, weight and minimum,
  /// one after the other.
  case restartCyclic(cycles: [Cycle])

  /// One cycle of the authors' schedule.
  public struct Cycle: Sendable, Hashable {
    /// Steps.
    public var period: Int
    /// Factor of the rate above the minimum.
    public var weight: Double
    /// The rate at the end.
    public var minimum: Double

    /// A cycle of `period` steps down to `minimum`.
    public init(period: Int, weight: Double, minimum: Double) {
      (self.period, self.weight, self.minimum) = (period, weight, minimum)
    }
  }

  /// What is impossible, in one line, or nil.
  var fault: String? {
    if case .restartCyclic(let cycles) = self, cycles.isEmpty {
      return "train.scheduler: periods of the cycles are missing"
    }
    return nil
  }

  /// The step that its periods end with, or nil where there are none.
  var end: Int? {
    switch self {
    case .constant: nil
    case .cosine(let period, _): period
    case .restartCyclic(let cycles): cycles.reduce(0) { $0 + $1.period }
    }
  }

  /// The rate of step `step` for a base rate of `base`.
  public func rate(step: Int, base: Double) -> Double {
    switch self {
    case .constant: return base
    case .cosine(let period, let minimum):
      let phase = Double.pi * Double(step) / Double(period)
      return minimum + (base - minimum) * (1 + cos(phase)) / 2
    case .restartCyclic(let cycles):
      return restartRate(step: step, base: base, cycles)
    }
  }

  private func restartRate(step: Int, base: Double, _ cycles: [Cycle]) -> Double {
    guard var cycle = cycles.first else { return base }
    var start = 0
    // A cycle includes its last step: the next one starts the step after (BasicSR's `<=`).
    for next in cycles.dropFirst() {
      guard step > start + cycle.period else { break }
      start += cycle.period
      cycle = next
    }
    let phase = Double.pi * Double(step - start) / Double(cycle.period)
    return cycle.minimum + cycle.weight * 0.5 * (base - cycle.minimum) * (1 + cos(phase))
  }
}

/// A schedule with a base rate and, as in BasicSR, a linear warm-up to that rate over its first
/// steps.
public struct LearningRate: Sendable, Hashable {
  /// The rate at full strength.
  public var base: Double
  /// How it changes.
  public var schedule: LearningRateSchedule
  /// The step, from 1, that has the schedule's own rate; before it the rate rises linearly from
  /// zero to the base.
  public var warmUp: Int

  /// A rate of `base` that follows `schedule`.
  public init(base: Double, schedule: LearningRateSchedule = .constant, warmUp: Int = 0) {
    (self.base, self.schedule, self.warmUp) = (base, schedule, warmUp)
  }

  /// The rate of step `step`, counted from 0; past the schedule's end it keeps its last value.
  public func rate(step: Int) -> Double {
    if step + 1 < warmUp { return base * Double(step + 1) / Double(warmUp) }
    return schedule.rate(step: min(step, schedule.end ?? step), base: base)
  }

  /// What happens to a run of `steps` steps that outlasts the schedule, in one line, or nil.
  func note(steps: Int) -> String? {
    guard let end = schedule.end, end < steps - 1 else { return nil }
    return "the rate's schedule ends after step \(end) of \(steps): from there it stays at "
      + "\(schedule.rate(step: end, base: base))"
  }
}
