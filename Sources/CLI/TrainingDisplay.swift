import Foundation
import Restormer

/// Shows a training run: one line redrawn on a terminal, a line now and then elsewhere.
final class TrainingDisplay {
  private let start = Date()
  private var firstStep: Int?
  private var lastShown = Date.distantPast

  func show(_ event: TrainingEvent) {
    switch event {
    case .note(let text): Console.note(text)
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

  private func show(_ report: StepReport) {
    if firstStep == nil { firstStep = report.step - 1 }
    let pause = Console.isTerminal ? 0.2 : 20
    guard Date().timeIntervalSince(lastShown) > pause else { return }
    lastShown = Date()
    let done = Double(report.step - (firstStep ?? 0))
    let rate = done / Date().timeIntervalSince(start)
    let left = Double(report.totalSteps - report.step) / rate
    let text = String(
      format: "step %d/%d, epoch %.2f, lr %.2e, L1 %.5f, L2 %.6f, %.2f it/s, %@ left, data %.0f%%",
      report.step, report.totalSteps, report.epoch, report.rate, report.losses.l1,
      report.losses.l2, rate, duration(left), 100 * report.dataWait / max(report.seconds, 1e-9))
    if Console.isTerminal { Console.redraw(text) } else { Console.note(text) }
  }
}
