import Basics
import Kernels

extension Trainer {
  /// The weights that are kept: the moving average where there is one.
  var weights: WeightsWriter<B> {
    WeightsWriter(
      engine: engine, normalization: options.normalization,
      symmetries: options.augment ? Symmetry.allCases : [.identity],
      patch: options.stages.map(\.patch).max() ?? 0)
  }

  /// The same weights where they lie on the device, to restore validation images with.
  private func restorer() throws -> Restorer<B> {
    var storage = RestoreOptions()
    // Scores are of the weights alone, the same on every device.
    storage.precision = .float
    let restorer = try Restorer(
      engine.keptParameters, PictureTreatment(options.normalization), on: backend,
      options: storage)
    restorer.note = { [report] in report(.note($0)) }
    return restorer
  }

  /// Makes the validation if it is due; false if `shouldStop` broke it off, and then it stays due.
  func validateIfDue(unless shouldStop: () throws -> Bool) throws -> Bool {
    guard progress.validationDue, let validator else {
      progress.validationDue = false
      return true
    }
    // Images are restored in the place of the step's activations, not beside them.
    engine.releaseActivations()
    report(.doing(.validating, mayBreakOff: false))
    guard
      let result = try validator.run(
        try restorer(), in: team, unless: shouldStop)
    else { return false }
    progress.validationDue = false
    note(result.faults, "left out of the validation")
    try keep(result, of: validator.set)
    return true
  }

  /// The same in the midst of a run: a device that fails does not take what was learned with it.
  func validateSafely(unless shouldStop: () throws -> Bool) throws -> Bool {
    do {
      return try validateIfDue(unless: shouldStop)
    } catch {
      saveIfPossible()
      throw error
    }
  }

  private func keep(_ result: Validator.Result, of set: ValidationSet) throws {
    guard let scores = result.scores else {
      return report(.note("validation after step \(step) skipped: no pair could be scored"))
    }
    let verdict = progress.best.verdict(on: scores, pairs: result.pairs, of: set.mark)
    switch verdict {
    case .worse: break
    case .incomparable:
      report(.note("\(result.pairs) pairs were scored, fewer than before: the best stays"))
    case .better:
      do {
        try folder?.save(weights, as: "best")
        progress.best.take(scores, pairs: result.pairs, of: set.mark)
      } catch let error as FileError {
        report(.note("the best weights cannot be saved: \(error)"))
      }
    }
    record?.validation(
      scores, result.strips, step: step, epoch: epoch(at: step),
      rate: options.rate.rate(step: step - 1))
    report(.validation(step: step, scores: scores, isBest: verdict == .better))
  }

  /// Saves at a point that all ranks have come to: each gives its part of the state.
  func saveTogether() throws {
    try engine.collectMoments()
    defer { engine.releaseMoments() }
    try save()
  }

  /// Saves what this rank has; where it lacks parts of the state, the newest checkpoint stays as it
  /// is.
  private func save() throws {
    guard let folder, engine.hasAllMoments else { return }
    try saveState(in: folder)
    try folder.save(weights, as: "latest")
    report(.saved(step: step))
  }

  private func saveState(in folder: RunFolder) throws {
    // What the state is to have a record of may not be lost behind it.
    record?.flush()
    let checkpoint = CheckpointWriter(engine: engine, progress: progress, options: options)
    // Weights that may have led astray must not push sound ones out.
    try folder.save(checkpoint, keeping: badSteps > 0 ? .max : options.keptCheckpoints)
    (lastSaved, sinceSaved) = (step, Stopwatch())
  }

  /// A full disk must not cost what has been learned since: the run goes on and tries again when
  /// the next checkpoint is due.
  func saveIfPossible(together: Bool = false) {
    do {
      try together ? saveTogether() : save()
    } catch {
      let kept = lastSaved.map { "the state after step \($0) is kept" } ?? "no state is kept"
      let lost = lastSaved == step ? "weights" : "state"
      report(.note("the \(lost) after step \(step) cannot be saved (\(error)): going on, \(kept)"))
      sinceSaved = Stopwatch()
    }
  }
}
