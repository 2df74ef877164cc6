/// What a run has to say.
public enum TrainingEvent: Sendable {
  /// Something worth a line: memory plan, resumption, a skipped step.
  case note(String)
  /// Something other than a step begins or goes on; where it may be broken off, ending the process
  /// loses nothing.
  case doing(TrainingActivity, mayBreakOff: Bool)
  /// One step is done.
  case step(StepReport)
  /// An epoch is done: means of L1 and L2 over its steps.
  case epoch(number: Int, step: Int, l1: Double, l2: Double)
  /// Validation is done.
  case validation(step: Int, scores: Scores, isBest: Bool)
  /// A checkpoint was written.
  case saved(step: Int)
}

/// The state of a run after a step.
public struct StepReport: Sendable {
  /// Steps done.
  public let step: Int
  /// Steps of the whole run.
  public let totalSteps: Int
  /// Epochs done, with a fraction.
  public let epoch: Double
  /// The learning rate.
  public let rate: Double
  /// Losses of the step, of values in [0, 1].
  public let losses: BatchLosses
  /// The gradient's norm before clipping.
  public let gradientNorm: Double
  /// What the loss's gradient was multiplied by for half precision; nil where gradients are float.
  public let lossScale: Int?
  /// Seconds of the step.
  public let seconds: Double
  /// Seconds of them spent waiting for data.
  public let dataWait: Double
}

/// Why a run ended.
public enum TrainingEnd: Sendable, Equatable {
  /// All steps are done.
  case finished
  /// Asked to stop; everything is saved.
  case stopped
}

extension BatchLosses {
  /// The means over the batches of a step.
  init(meanOf losses: [BatchLosses]) {
    let count = Double(max(1, losses.count))
    l1 = losses.reduce(0) { $0 + $1.l1 } / count
    l2 = losses.reduce(0) { $0 + $1.l2 } / count
    loss = losses.reduce(0) { $0 + $1.loss } / count
  }

  /// L1 and L2 as they are without the normalisation, so that runs compare; with a deviation of its
  /// own for each channel they stay as they are.
  func inImageUnits(_ normalization: ImageNormalization) -> BatchLosses {
    guard let std = normalization.std.first.map(Double.init),
      Set(normalization.std).count == 1
    else { return self }
    return BatchLosses(l1: l1 * std, l2: l2 * std * std, loss: loss)
  }
}
