import Basics
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
  let loader: BatchLoader
  /// Pairs of an epoch.
  private let epochLength: Int
  let validator: Validator?
  let report: (TrainingEvent) -> Void
  var progress = RunProgress()
  var badSteps = 0
  /// Steps in a row whose gradient did not fit half precision.
  var overflows = 0
  /// The newest state whose weights are known to give a finite gradient: the one after this step.
  var lastSound: Int?
  /// The step after which the newest state was saved, if there is one, and the time since.
  var lastSaved: Int?
  var sinceSaved = Stopwatch()
  var faultyFiles: Set<String> = []

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
    // Validation stays with the backend as it is: scores are those of float.
    let computing = try options.precision.prepare(backend)
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
      accumulating: options.accumulate > 1, recompute: recompute,
      storing: options.precision.storage, team: team, sharding: options.shardOptimizer,
      on: computing)
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
  package var reductionTimes: (all: Double, waited: Double)? { engine.reductionTimes }

  var step: Int { progress.step }

  /// Patches that all ranks together have drawn before step `step`.
  func position(at step: Int) -> Int { team.size * options.position(at: step) }

  /// Trains until all steps are done or `shouldStop` says so; then everything is saved.
  /// - Throws: `DataError` after ten bad steps in a row, file and backend errors.
  public func run(shouldStop: () -> Bool) throws -> TrainingEnd {
    try steps { try team.any(shouldStop()) }
  }

  private func steps(unless shouldStop: () throws -> Bool) throws -> TrainingEnd {
    if try !validateIfDue(unless: shouldStop) { return .stopped }
    if step < options.totalSteps { announceFirstStep() }
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
    report(.doing(.planning, mayBreakOff: true))
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
