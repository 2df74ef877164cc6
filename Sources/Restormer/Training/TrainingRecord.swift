/// What a run leaves behind besides weights: `options.yml`, `metrics.csv` and TensorBoard's event files.
///
/// A record that cannot be written, on a full disk for instance, is said once and does not stop the run.
final class TrainingRecord {
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

  /// Opens the records in `folder` and drops what they hold after step `step`.
  init(
    folder: String, after step: Int, options: TrainingOptions,
    report: @escaping (TrainingEvent) -> Void
  ) throws {
    (self.report, samples) = (report, "\(folder)/samples")
    try writeAtomically(Array(options.yaml.utf8), to: "\(folder)/options.yml")
    log = try MetricsLog(path: "\(folder)/metrics.csv", columns: Self.columns, after: step)
    events = try EventWriter(folder: "\(folder)/events")
    if step > 0 { try events.restart(after: step) }
  }

  func step(_ done: StepReport) {
    guard done.step % Self.stepInterval == 0 else { return }
    attempt {
      try events.scalars(
        [
          "step/l1": done.losses.l1, "step/l2": done.losses.l2,
          "step/gradient_norm": done.gradientNorm, "step/seconds": done.seconds,
        ], step: done.step)
    }
  }

  func epoch(_ number: Int, step: Int, rate: Double, l1: Double, l2: Double) {
    attempt {
      try log.append([Double(step), Double(number), rate, l1, l2, nil, nil, nil, nil])
      try events.scalars(["train/l1": l1, "train/l2": l2, "train/rate": rate], step: step)
    }
  }

  func validation(
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

  private func attempt(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      if !hasFailed { report(.note("\(error): the run goes on without complete records")) }
      hasFailed = true
    }
  }
}
