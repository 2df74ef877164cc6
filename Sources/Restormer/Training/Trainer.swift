import Basics
import Foundation
import Kernels

/// A training run: data, steps, validation and checkpoints in one folder, resumed where it stood.
public final class Trainer<B: Backend> {
  let options: TrainingOptions
  let backend: B
  let engine: TrainingEngine<B>
  let team: Team
  /// Folder and records, on the rank that writes them.
  let record: TrainingRecord?
  let folder: RunFolder?
  private let loader: BatchLoader
  /// Pairs of an epoch.
  private let epochLength: Int
  let validator: Validator?
  let report: (TrainingEvent) -> Void
  var progress = RunProgress()
  var badSteps = 0
  /// The newest state whose weights are known to give a finite gradient: the one after this step.
  private var lastSound: Int?
  /// The step after which the newest state was saved, if there is one, and the time since.
  var lastSaved: Int?
  var sinceSaved = Stopwatch()
  private var faultyFiles: Set<String> = []

  /// Prepares a run: reads the data folders, plans memory, resumes the newest state of the folder.
  ///
  /// - Parameters:
  ///   - options: what to do.
  ///   - experiments: the folder in which the run's folder lies.
  ///   - backend: where to compute.
  ///   - cacheBytes: how much memory decoded images may keep; by default what the machine can
  ///     spare.
  ///   - ranks: the processes that train together, each on a part of every batch; nil for this
  ///     process alone.
  ///   - report: hears what happens, on the calling thread.
  /// - Throws: `DataError` for options, data or a folder that cannot be used and when the step fits
  ///   no way; file and backend errors.
  public init(
    _ options: TrainingOptions, experiments: String = "experiments", on backend: B,
    cacheBytes: Int = MemoryBudget.host.cache, ranks: RankGroup? = nil,
    report: @escaping (TrainingEvent) -> Void
  ) throws {
    if let fault = options.fault { throw DataError(fault) }
    report(.doing(.readingData, mayBreakOff: true))
    (self.options, self.backend, self.report) = (options, backend, report)
    team = Team(ranks)
    try options.agree(in: team)
    let source = try options.data.source(for: options.model, cacheBytes: cacheBytes)
    epochLength = source.count
    validator = try options.validation.map {
      try Validator($0, model: options.model, scoring: options.scoring)
    }
    let model = RestormerModel(options.model)
    loader = BatchLoader(
      PatchSampler(
        source, model: options.model, normalization: options.normalization, seed: options.seed))
    let path = "\(experiments)/\(options.name)"
    report(.doing(.planning, mayBreakOff: true))
    // Parameters are made once it is known that they fit.
    let recompute = try TrainingMemoryChoice(
      options, model, images: source.cacheBytes, picture: validator?.largestPicture,
      ranks: team.size, on: backend
    ).decide { report(.note($0)) }
    // A run that goes on has no use for the weights that it began with, and they may be gone.
    let start =
      !team.isFirst || RunFolder.hasStates(path)
      ? nil : try options.startValues(of: model) { report(.note($0)) }
    report(.doing(.readingState, mayBreakOff: true))
    folder = team.isFirst ? try RunFolder(path) : nil
    let (checkpoint, faults) = try folder?.newestState() ?? (nil, [])
    for fault in faults { report(.note("\(fault): taking the state before it")) }
    try checkpoint?.check(belongsTo: model, folder: path)
    try checkpoint?.checkEnd(of: options, folder: path)
    report(.doing(.preparingDevice, mayBreakOff: true))
    engine = try TrainingEngine(
      model, values: try checkpoint?.values ?? start ?? options.firstValues(of: model, in: team),
      loss: options.loss, lossWeight: options.lossWeight,
      optimizer: options.optimizer, averageDecay: options.averageDecay,
      accumulating: options.accumulate > 1, recompute: recompute, team: team,
      sharding: options.shardOptimizer, on: backend)
    report(.doing(.openingRecords, mayBreakOff: false))
    record = try folder.map {
      try TrainingRecord(
        folder: $0.path, after: checkpoint?.progress ?? RunProgress(), options: options,
        report: report)
    }
    try engine.restore(checkpoint.map(resume), in: team)
    progress = try progress.shared(in: team)
    progress.ranks = team.size
  }

  /// Takes up the progress of a state; the numbers that the engine is to go on with.
  private func resume(_ checkpoint: Checkpoint) -> EngineState {
    for change in checkpoint.changes(to: options) { report(.note("changed option \(change)")) }
    progress = checkpoint.progress
    lastSaved = step
    var (first, second) = (checkpoint.first, checkpoint.second)
    if !checkpoint.isOptimized(by: options.optimizer.kind) {
      // One rule's moments mislead the other, and so would its count of updates.
      first = [Float](repeating: 0, count: first.count)
      (second, progress.updates) = (first, 0)
      report(.note("another optimizer: its moments start from zero"))
    }
    if let validator, progress.best != BestScore(), progress.best.set != validator.set.mark {
      progress.best = BestScore()
      report(
        .note("another validation set than before: the best score and its weights start anew"))
    }
    if progress.ranks != team.size {
      report(.note("\(team.size) rank\(team.size == 1 ? "" : "s") now, \(progress.ranks) before"))
    }
    report(.note(positionNote))
    return EngineState(
      values: checkpoint.values,
      averaged: checkpoint.averaged.isEmpty ? nil : checkpoint.averaged, first: first,
      second: second)
  }

  /// Where a run that was taken up stands.
  private var positionNote: String {
    guard step > options.totalSteps else { return "going on after step \(step)" }
    return "\(step) steps are done, \(options.totalSteps) are fewer: the final weights are those "
      + "after step \(step)"
  }

  /// Seconds that summing gradients over ranks has taken, and those of them in which the device had
  /// nothing else to do; nil for a process alone.
  public var reductionTimes: (all: Double, waited: Double)? { engine.reductionTimes }

  var step: Int { progress.step }

  /// Patches that all ranks together have drawn before step `step`.
  private func position(at step: Int) -> Int { team.size * options.position(at: step) }

  /// Trains until all steps are done or `shouldStop` says so; then everything is saved.
  /// - Throws: `DataError` after ten bad steps in a row, file and backend errors.
  public func run(shouldStop: () -> Bool) throws -> TrainingEnd {
    try steps { try team.any(shouldStop()) }
  }

  private func steps(unless shouldStop: () throws -> Bool) throws -> TrainingEnd {
    if try !validateIfDue(unless: shouldStop) { return .stopped }
    announceFirstStep()
    while step < options.totalSteps {
      do {
        try trainStep()
        announceCompiling()
      } catch let error as DataError where badSteps == 0 {
        // The data is gone, what was learned from it must not be.
        saveIfPossible()
        throw error
      }
      finishEpochIfDue()
      let isLast = step == options.totalSteps
      progress.validationDue = isLast || isValidationStep
      let isAsked = try !isLast && shouldStop()
      if try isAsked || !validateSafely(unless: shouldStop) {
        try saveTogether()
        return .stopped
      }
      if try !isLast && isCheckpointDue() { saveIfPossible(together: true) }
    }
    // The weights first: they are what the run was for, and on a full disk smaller than its state.
    try folder?.save(weights, as: "final")
    try saveTogether()
    return .finished
  }

  /// Says what goes on until the first step is done: it may take long, and until then nothing is
  /// lost.
  private func announceFirstStep() {
    engine.compiling = { [report] done, count in
      let isDone = done == count
      report(.doing(isDone ? .firstStep : .compiling(done: done, of: count), mayBreakOff: true))
    }
  }

  /// Another batch shape later on has its programs made, too.
  private func announceCompiling() {
    engine.compiling = { [report] done, count in
      report(.doing(.compiling(done: done, of: count), mayBreakOff: false))
    }
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

  private func trainStep() throws {
    let clock = Stopwatch()
    loader.prepare((0..<BatchLoader.stepsAhead).flatMap { requests(step + $0) })
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
    } else {
      try skipStep(mean, norm)
    }
    progress.step += 1
    let done = StepReport(
      step: step, totalSteps: options.totalSteps, epoch: epoch(at: step), rate: rate,
      losses: reported, gradientNorm: norm, seconds: clock.seconds,
      dataWait: wait)
    record?.step(done)
    report(.step(done))
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

  func epoch(at step: Int) -> Double {
    Double(position(at: step)) / Double(epochLength)
  }

  private var isEpochOver: Bool { Int(epoch(at: step)) > Int(epoch(at: step - 1)) }

  private var isValidationStep: Bool {
    let interval = options.validationInterval
    return interval > 0 ? step % interval == 0 : isEpochOver
  }

  /// Where every rank has a part of the state, the clock of the first decides for all.
  private func isCheckpointDue() throws -> Bool {
    let isDue =
      badSteps == 0
      && (step % options.checkpointInterval == 0
        || sinceSaved.seconds > 60 * options.checkpointMinutes)
    return engine.hasAllMoments ? isDue : try team.any(team.isFirst && isDue)
  }

  private func finishEpochIfDue() {
    // The end of the run ends its last epoch too.
    guard isEpochOver || step == options.totalSteps, let (l1, l2) = progress.epoch.means
    else { return }
    progress.epoch = LossSums()
    let number = isEpochOver ? Int(epoch(at: step)) : Int(epoch(at: step)) + 1
    record?.epoch(number, step: step, rate: options.rate.rate(step: step - 1), l1: l1, l2: l2)
    report(.epoch(number: number, step: step, l1: l1, l2: l2))
  }
}
