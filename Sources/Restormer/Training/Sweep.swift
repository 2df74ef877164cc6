import Foundation

/// A grid of training runs, done one after the other in one folder: a folder for each run, and
/// `sweep.csv`, `sweep.md` and `sweep.svg` with their scores and curves, written anew after each.
///
/// Started again, finished runs are skipped and the one that was interrupted goes on from its
/// newest state.
package final class Sweep {
  /// A run with the options made of its values.
  package typealias Planned = (run: SweepRun, options: TrainingOptions)

  /// The sweep's folder.
  package let path: String
  private let name: String
  private let keys: [String]
  private let planned: [Planned]
  private let times: SweepTimes
  private let lock: FolderLock
  /// The state of every run, in the order of the grid.
  package private(set) var results: [SweepResult]

  /// Prepares a sweep in `path`; each run's options must carry the run's name.
  /// - Throws: what keeps the first run from its images or weights, when it is so for all;
  ///   `DataError` when the folder cannot be made or another sweep is using it; `FileError`.
  package init(_ file: SweepFile, path: String, planned: [Planned]) throws {
    (self.path, self.planned, keys) = (path, planned, file.keys)
    name = path.fileName
    try Self.checkFiles(planned, in: path)
    try makeFolders(path)
    lock = try FolderLock(path)
    times = SweepTimes(path: "\(path)/times.csv")
    results = planned.map {
      SweepResult(run: $0.run, state: .waiting, seconds: 0, validations: [])
    }
    for (index, plan) in planned.enumerated() {
      refresh(index)
      let isDone = results[index].last.map { $0.step >= plan.options.totalSteps } ?? false
      if isDone { results[index].state = .finished }
    }
    try write()
  }

  /// Files that no run could read are a fault of the sweep, which is told before anything is
  /// written.
  private static func checkFiles(_ planned: [Planned], in path: String) throws {
    var first: (any Error)?
    for (_, options) in planned {
      do {
        for folders in [options.data, options.validation] { _ = try folders?.pairs() }
        // A run that goes on has no use for the weights that it began with.
        let isBegun = RunFolder.hasStates("\(path)/\(options.name)")
        if options.pretrained != nil, !isBegun {
          _ = try options.startValues(of: .init(options.model))
        }
        return
      } catch {
        first = first ?? error
      }
    }
    if let first { throw first }
  }

  /// Trains what is not finished, until `train` says that it was asked to stop. A run that fails is
  /// recorded and does not keep the others from being done.
  ///
  /// - Parameters:
  ///   - report: hears a line about each run.
  ///   - train: trains one run in the sweep's folder; it calls its second argument whenever a state
  ///     has been saved.
  /// - Throws: `FileError` when the table or the plot cannot be written at last.
  package func run(
    report: (String) -> Void,
    train: (_ options: TrainingOptions, _ saved: @escaping () -> Void) throws -> TrainingEnd
  ) throws {
    for (index, plan) in planned.enumerated() {
      let title = "run \(index + 1) of \(planned.count): \(plan.run.name)"
      if skip(index, plan.options, title, report) { continue }
      report(title)
      let clock = times.start(plan.run.name)
      var isStopped = false
      do {
        isStopped = try train(plan.options, clock.save) == .stopped
        results[index].state =
          isStopped ? .stopped(step: step(of: plan.run) ?? 0) : .finished
      } catch {
        results[index].state = .failed("\(error)")
        report("\(plan.run.name) failed: \(error)")
      }
      clock.save()
      refresh(index)
      if isStopped { break }
      do { try write() } catch { report("\(error): going on without the table") }
    }
    try write()
  }

  /// Whether nothing is left to do for the run: it is finished, or was with other options.
  private func skip(
    _ index: Int, _ options: TrainingOptions, _ title: String, _ report: (String) -> Void
  ) -> Bool {
    guard let state = newestState(of: planned[index].run),
      state.progress.step >= options.totalSteps
    else { return false }
    do {
      try state.checkEnd(of: options, folder: "\(path)/\(options.name)")
      results[index].state = .finished
      report("\(title): finished before")
    } catch {
      results[index].state = .failed("\(error)")
    }
    return true
  }

  private func newestState(of run: SweepRun) -> Checkpoint? {
    let folder = "\(path)/\(run.name)"
    guard FileKind("\(folder)/states") != nil else { return nil }
    return try? RunFolder(folder).newestState().checkpoint
  }

  private func step(of run: SweepRun) -> Int? { newestState(of: run)?.progress.step }

  private func refresh(_ index: Int) {
    let name = planned[index].run.name
    results[index].validations = SweepResult.Validation.read("\(path)/\(name)/metrics.csv")
    results[index].seconds = times.seconds(name)
  }

  private func write() throws {
    let table = SweepTable(name: name, keys: keys, results: results)
    let plot = SweepPlot(name: name, keys: keys, results: results).svg
    for (file, text) in [
      ("sweep.csv", table.csv), ("sweep.md", table.markdown(plot: "sweep.svg")),
      ("sweep.svg", plot),
    ] {
      try writeAtomically(Array(text.utf8), to: "\(path)/\(file)")
    }
  }
}
