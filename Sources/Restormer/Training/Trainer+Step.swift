import Basics
import Kernels

/// One step: its batches, the update, and what becomes of steps and files that are no good.
extension Trainer {
  func trainStep() throws {
    let clock = Stopwatch()
    loader.prepare((0..<BatchLoader.stepsAhead).flatMap { requests(step + $0) })
    engine.lossScale = progress.lossScale.factor
    let (losses, faults, wait) = try backwardWithinMemory()
    try engine.finishGradients()
    let mean = try BatchLosses(meanOf: losses).mean(over: team)
    note(try team.lines(faults), "another image was taken")
    let batches = losses.count * team.size
    let norm = try engine.gradientNorm(batches: batches)
    let rate = options.rate.rate(step: step)
    let reported = mean.inImageUnits(options.normalization)
    if mean.loss.isFinite && norm.isFinite {
      (badSteps, lastSound) = (0, step)
      progress.updates += 1
      try engine.step(
        progress.updates, rate: rate, batches: batches, norm: norm, clip: options.clip)
      progress.epoch.add(reported)
      keepLossScale()
    } else if try !(mean.loss.isFinite && lowerLossScale()) {
      try skipStep(mean, norm)
    }
    progress.step += 1
    let done = StepReport(
      step: step, totalSteps: options.totalSteps, epoch: epoch(at: step), rate: rate,
      losses: reported, gradientNorm: norm,
      lossScale: options.precision == .half ? engine.lossScale : nil, seconds: clock.seconds,
      dataWait: wait)
    record?.step(done)
    report(.step(done))
  }

  private func requests(_ step: Int) -> [BatchLoader.Request] {
    guard step < options.totalSteps else { return [] }
    let stage = options.stage(at: step)
    var patches = PatchOptions(size: stage.patch, batch: stage.batch)
    (patches.augment, patches.mixup) = (options.augment, options.mixup)
    patches.shuffle = options.shuffle
    // The batches of a step are those of one process that accumulates as many; each rank takes its
    // share.
    let parts = options.accumulate
    return (team.rank * parts..<(team.rank + 1) * parts).map { part in
      BatchLoader.Request(
        index: step * parts * team.size + part,
        first: position(at: step) + part * stage.batch, options: patches)
    }
  }

  /// What came of the batches of a step.
  private typealias Batches = (losses: [BatchLosses], faults: [String], wait: Double)

  /// The losses of every batch of the step, files that could not be read, and the seconds spent
  /// waiting for data.
  private func backward() throws -> Batches {
    var result: Batches = ([], [], 0)
    let requests = requests(step)
    for (index, request) in requests.enumerated() {
      let asked = Stopwatch()
      let loaded = try loader.batch(request)
      result.wait += asked.seconds
      result.faults += loaded.faults
      result.losses.append(try engine.backward(loaded.batch, isLast: index == requests.count - 1))
    }
    return result
  }

  /// The same; a device that has less memory than it says, or lends it to others, goes on with
  /// recompute.
  /// - Throws: `DataError` where that does not help, file and backend errors.
  private func backwardWithinMemory() throws -> Batches {
    do {
      return try backward()
    } catch let error where isOutOfMemory(error) {
      guard !engine.recompute, !engine.isReducing, options.recompute != .off else {
        throw outOfMemory(error)
      }
      report(.note("step \(step + 1): the device is out of memory: going on with recompute"))
    }
    do {
      try engine.startRecomputing()
      return try backward()
    } catch let error where isOutOfMemory(error) {
      throw outOfMemory(error)
    }
  }

  private func outOfMemory(_ error: any Error) -> DataError {
    let less =
      engine.recompute ? "a smaller batch or patch" : "recompute, or a smaller batch or patch,"
    return DataError("step \(step + 1): the device is out of memory (\(error)): \(less) needs less")
  }

  /// Says which files could not be used and what was done about it, each once.
  func note(_ faults: [String], _ remedy: String) {
    for fault in faults where faultyFiles.insert(fault).inserted {
      report(.note("\(fault): \(remedy) (unusable so far: \(faultyFiles.count))"))
    }
  }

  private func skipStep(_ losses: BatchLosses, _ norm: Double) throws {
    badSteps += 1
    try engine.zeroGradients()
    // A NaN's sign says nothing.
    let (loss, size) = (abs(losses.loss), abs(norm))
    report(.note("step \(step + 1) skipped: loss \(loss), gradient norm \(size)"))
    guard badSteps < 10 else {
      if let lastSound { folder?.putAside(after: lastSound) }
      let kept =
        folder?.newestStep.map { "the state after step \($0) is kept" } ?? "no state is kept"
      throw DataError("ten steps in a row without a finite gradient: stopped; \(kept)")
    }
  }
}
