import Foundation
import Kernels

/// The folder of one run:
/// `experiments/NAME/{models,states,samples,events,options.yml,metrics.csv}`.
package final class RunFolder {
  /// The folder.
  package let path: String
  private let lock: FolderLock

  /// Makes the folder and locks it against a second run; the lock ends with the process.
  /// - Throws: `DataError` when it cannot be written or another run holds it.
  package init(_ path: String) throws {
    self.path = path
    for part in ["models", "states", "samples", "events"] { try makeFolders("\(path)/\(part)") }
    lock = try FolderLock(path)
    lock.removeUnfinishedFiles(in: [".", "models", "states", "samples"])
  }

  /// State files, the newest first.
  package var states: [String] { Self.states(path) }

  /// Whether a run in `path` has a state to go on from.
  static func hasStates(_ path: String) -> Bool { !states(path).isEmpty }

  /// Only files named by their step are states: a copy of one under another name is the user's.
  private static func states(_ path: String) -> [String] {
    let names = (try? folderContents("\(path)/states")) ?? []
    return names.filter { $0.hasSuffix(".state") }
      .compactMap { name in step(ofState: name).map { (step: $0, name: name) } }
      .sorted { ($0.step, $0.name) > ($1.step, $1.name) }
      .map { "\(path)/states/\($0.name)" }
  }

  /// The newest state that can be read, and what was wrong with newer ones. Those are put aside as
  /// `.damaged`: by their numbers they would count as the newest, and whole ones be removed in
  /// their place.
  /// - Throws: `DataError` when there are states and none is whole, or none and final weights: to
  ///   start anew would overwrite the run.
  package func newestState() throws -> (checkpoint: Checkpoint?, faults: [String]) {
    var faults: [String] = []
    for (index, state) in states.enumerated() {
      do {
        let checkpoint = try Checkpoint(contentsOf: state)
        for damaged in states.prefix(index) {
          rename(damaged.systemPath, (damaged + ".damaged").systemPath)
        }
        return (checkpoint, faults)
      } catch {
        faults.append("\(error)")
      }
    }
    guard let fault = faults.first else {
      // Somebody made room: the weights are what the run was for.
      guard FileKind("\(path)/models/final.safetensors") == nil else {
        throw DataError(
          "\(path): holds the weights of a finished run (models/final.safetensors) and no state to "
            + "go on from: choose another --name to start anew")
      }
      return (nil, [])
    }
    throw DataError("\(fault); no state of this run is whole: choose another --name to start anew")
  }

  /// The step after which the newest state was saved, or nil when there is none.
  var newestStep: Int? { states.first.flatMap(Self.step(ofState:)) }

  private static func step(ofState path: String) -> Int? {
    Int(((path as NSString).lastPathComponent as NSString).deletingPathExtension)
  }

  /// Puts states after step `step` aside as `.diverged`: the weights they hold led to nothing
  /// finite.
  func putAside(after step: Int) {
    for state in states where Self.step(ofState: state).map({ $0 > step }) ?? false {
      rename(state.systemPath, (state + ".diverged").systemPath)
    }
  }

  /// Saves a state and removes all but the newest `kept`. On a full disk the oldest of several
  /// gives way.
  /// - Throws: `FileError`; older states are then still there.
  func save<B: Backend>(_ checkpoint: CheckpointWriter<B>, keeping kept: Int) throws {
    let number = String(checkpoint.progress.step)
    let padded = String(repeating: "0", count: max(0, 9 - number.count)) + number
    let state = "\(path)/states/\(padded).state"
    do {
      try checkpoint.write(to: state)
    } catch let error as FileError where error.isDiskFull && states.count > 1 {
      // What was learned since is worth more than the oldest of several states.
      unlink(states[states.count - 1].systemPath)
      try checkpoint.write(to: state)
    }
    for old in states.dropFirst(max(1, kept)) { unlink(old.systemPath) }
  }

  /// Saves weights under `models/NAME.safetensors`.
  /// - Throws: `FileError`.
  func save<B: Backend>(_ weights: WeightsWriter<B>, as name: String) throws {
    try weights.write(to: "\(path)/models/\(name).safetensors")
  }
}
