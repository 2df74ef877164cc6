import Basics
import Foundation
import Restormer

/// Shows a training run: one line redrawn on a terminal, a line now and then elsewhere.
final class TrainingDisplay {
  private var sinceFirst = Stopwatch()
  private var firstStep: Int?
  private var sinceShown: Stopwatch?
  private var delayed: DispatchWorkItem?

  func show(_ event: TrainingEvent) {
    if case .doing(.compiling(let done, _), _) = event, done > 0, !isDue(elsewhere: 2) { return }
    delayed?.cancel()
    switch event {
    case .note(let text): Console.note(text)
    case .doing(let activity, _): showLasting("\(activity)")
    case .step(let report): show(report)
    case .epoch(let number, let step, let l1, let l2):
      Console.note(String(format: "epoch %d, step %d: L1 %.5f, L2 %.6f", number, step, l1, l2))
    case .validation(let step, let scores, let isBest):
      Console.note(
        String(
          format: "validation, step %d: PSNR %.3f dB, SSIM %.4f, L1 %.5f, L2 %.6f%@", step,
          scores.psnr, scores.ssim, scores.l1, scores.l2, isBest ? " (best)" : ""))
    case .saved(let step): Console.note("saved after step \(step)")
    }
  }

  /// A log is told only of what is not over at once.
  private func showLasting(_ text: String) {
    guard !Console.isTerminal else { return showPassing(text) }
    sinceShown = Stopwatch()
    let line = DispatchWorkItem { Console.note(text) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 0.5, execute: line)
    delayed = line
  }

  private func show(_ report: StepReport) {
    if firstStep == nil {
      (firstStep, sinceFirst) = (report.step, Stopwatch())
      sinceShown = nil
    }
    guard isDue(elsewhere: 20) else { return }
    // The first step carries what the device prepares for all.
    let done = Double(report.step - (firstStep ?? 0))
    let rate = done > 0 ? done / sinceFirst.seconds : 1 / max(report.seconds, 1e-9)
    let left = Double(report.totalSteps - report.step) / rate
    showPassing(
      String(
        format:
          "step %d/%d, epoch %.2f, lr %.2e, L1 %.5f, L2 %.6f, %.2f it/s, %@ left, data %.0f%%",
        report.step, report.totalSteps, report.epoch, report.rate, report.losses.l1,
        report.losses.l2, rate, duration(left), 100 * report.dataWait / max(report.seconds, 1e-9)))
  }

  /// Whether it is time for another passing line: they follow each other quickly on a terminal
  /// only.
  private func isDue(elsewhere pause: Double) -> Bool {
    guard let sinceShown else { return true }
    return sinceShown.seconds > (Console.isTerminal ? 0.2 : pause)
  }

  private func showPassing(_ text: String) {
    sinceShown = Stopwatch()
    if Console.isTerminal { Console.redraw(text) } else { Console.note(text) }
  }
}
