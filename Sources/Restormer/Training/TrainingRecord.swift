/// What a run leaves behind besides weights: `options.yml`, `metrics.csv` and TensorBoard's event
/// files.
///
/// A record that cannot be written, on a full disk for instance, is said once and does not stop the
/// run.
package final class TrainingRecord {
  private let log: MetricsLog
  private let events: EventWriter
  private let samples: String
  private let report: (TrainingEvent) -> Void
  private var hasFailed = false

  private static let columns = [
    "step", "epoch", "rate", "l1", "l2", "psnr", "ssim", "val_l1", "val_l2",
  ]
  /// Steps between points of the step curves.
  private static let stepInterval = 50

  /// Opens the records in `folder` and drops what they hold of a time after `progress`.
  package init(
    folder: String, after progress: RunProgress, options: TrainingOptions,
    report: @escaping (TrainingEvent) -> Void
  ) throws {
    (self.report, samples) = (report, "\(folder)/samples")
    // A finished run keeps the options that it was trained with.
    if progress.step < options.totalSteps {
      try writeAtomically(Array(options.yaml.utf8), to: "\(folder)/options.yml")
    }
    log = try MetricsLog(
      path: "\(folder)/metrics.csv", columns: Self.columns, after: progress.step,
      // A validation that is still due will be recorded again.
      without: progress.validationDue ? "psnr" : nil)
    let files = EventFiles(folder: "\(folder)/events")
    try files.rewind(to: progress)
    events = try EventWriter(after: files)
    if progress.step > 0 { try events.restart(after: progress.step) }
  }

  func step(_ done: StepReport) {
    guard done.step % Self.stepInterval == 0 else { return }
    attempt {
      var scalars = [
        "step/l1": done.losses.l1, "step/l2": done.losses.l2,
        "step/gradient_norm": done.gradientNorm, "step/seconds": done.seconds,
      ]
      scalars["step/loss_scale"] = done.lossScale.map(Double.init)
      try events.scalars(scalars, step: done.step)
    }
  }

  package func epoch(_ number: Int, step: Int, rate: Double, l1: Double, l2: Double) {
    attempt {
      try log.append([Double(step), Double(number), rate, l1, l2, nil, nil, nil, nil])
      try events.scalars(["train/l1": l1, "train/l2": l2, "train/rate": rate], step: step)
    }
  }

  package func validation(
    _ scores: Scores, _ strips: [(name: String, image: Image)], step: Int, epoch: Double,
    rate: Double
  ) {
    attempt {
      try log.append([
        Double(step), epoch, rate, nil, nil, scores.psnr, scores.ssim, scores.l1, scores.l2,
      ])
      try events.scalars(
        [
          "val/psnr": scores.psnr, "val/ssim": scores.ssim, "val/l1": scores.l1,
          "val/l2": scores.l2,
        ], step: step)
      for (name, image) in strips {
        try image.write(to: "\(samples)/\(name).png", format: .png)
        try events.image("samples/\(name)", image, step: step)
      }
    }
  }

  /// Makes sure that what was recorded outlives a power cut.
  func flush() {
    log.file.flush()
    events.file.flush()
  }

  private func attempt(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      if !hasFailed { report(.note("\(error): the run goes on without complete records")) }
      hasFailed = true
    }
  }
}
