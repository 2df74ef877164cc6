import Kernels

/// Gradients that are stored as half: those that do not fit cost their step and half of the loss
/// scale.
extension Trainer {
  /// After a step with a finite gradient.
  func keepLossScale() {
    guard options.precision == .half else { return }
    if overflows > 1 {
      report(.note("loss scale \(progress.lossScale.factor) after \(overflows) skipped steps"))
    }
    overflows = 0
    progress.lossScale.grow()
  }

  /// After a finite loss whose gradient is not: whether a smaller scale may help. The first step of
  /// a search is named; those that follow are counted.
  func lowerLossScale() throws -> Bool {
    guard options.precision == .half, progress.lossScale.halve() else { return false }
    try engine.zeroGradients()
    overflows += 1
    if overflows == 1 {
      report(
        .note(
          "step \(step + 1) skipped: its gradient does not fit half precision, loss scale "
            + "\(progress.lossScale.factor) now"))
    }
    return true
  }
}
