import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer train --sweep FILE`: this command once for each combination of the file's values.
extension TrainCommand {
  /// The options that a sweep's file may set: all that shape a run.
  static let sweepKeys = [
    "options", "data", "degrade", "val", "preset", "pretrained", "param-key", "loss", "optimizer",
    "lr",
    "schedule", "weight-decay", "momentum", "warmup", "steps", "epochs", "batch", "patch",
    "accumulate", "clip", "ema", "mixup", "normalize", "recompute", "seed", "val-every",
    "save-every", "keep", "save-minutes",
  ]

  func runSweep(_ path: String) throws {
    let file = try SweepFile(contentsOf: path, known: Self.sweepKeys)
    if let name, let fault = TrainingOptions.fault(ofName: name) { throw ValidationError(fault) }
    let folder = "\(experiments)/\(name ?? file.name)"
    let planned = try file.runs.map { ($0, try options(of: $0, in: file)) }
    guard planned.allSatisfy({ $1.validation != nil }) else {
      throw ValidationError("a sweep compares by validation: --val is needed")
    }
    let opened = try device.open(profiling: profile)
    Console.note("device: \(opened.name)")
    let sweep = try Sweep(file, path: folder, planned: planned)
    let interrupt = InterruptFlag()
    let clock = Stopwatch()
    let minutes = maxMinutes
    try sweep.run(report: Console.note) { options, saved in
      try opened.accept(
        SweepTraining(options: options, folder: folder, saved: saved) {
          interrupt.isSet || minutes.map { clock.seconds > 60 * $0 } ?? false
        })
    }
    if profile { try printProfile(opened) }
    try tell(sweep.results, folder)
  }

  /// The options of the command line that the run stands for: the file's shared ones, then those given here, then the
  /// run's own.
  private func options(of run: SweepRun, in file: SweepFile) throws -> TrainingOptions {
    let given = try Self.givenArguments(notAmong: file)
    let arguments = Self.arguments(file.base) + given + Self.arguments(run.further + run.values)
    do {
      var command = try TrainCommand.parse(arguments)
      command.name = run.name
      return try command.trainingOptions()
    } catch let error where !(error is DataError) {
      let lines = TrainCommand.message(for: error).split(whereSeparator: \.isNewline)
      throw SweepFailure(
        description: "\(file.path): \(run.name): \(lines.joined(separator: " "))")
    }
  }

  private static func arguments(_ settings: [SweepFile.Setting]) -> [String] {
    settings.map { "--\($0.key)=\($0.value)" }
  }

  /// The program's arguments after `train`, without those that are the sweep's own.
  private static func givenArguments(notAmong file: SweepFile) throws -> [String] {
    var given: [String] = []
    var isOwnValue = false
    for argument in CommandLine.arguments.dropFirst(2) {
      let option = argument.prefix { $0 != "=" }
      if isOwnValue || ["--sweep", "--name"].contains(option) {
        isOwnValue = !isOwnValue && !argument.contains("=")
        continue
      }
      if option.hasPrefix("--"), file.keys.contains(String(option.dropFirst(2))) {
        throw ValidationError("\(option) is in the grid of \(file.path)")
      }
      given.append(argument)
    }
    return given
  }

  /// Names what failed; with failures the exit code is not zero.
  private func tell(_ results: [SweepResult], _ folder: String) throws {
    let finished = results.filter { $0.state == .finished }.count
    Console.note("\(finished) of \(results.count) runs finished: \(folder)/sweep.md")
    if let best = results.max(by: { score($0) < score($1) }), let last = best.last {
      Console.print(String(format: "best: %@  PSNR %.3f dB", best.run.name, last.scores.psnr))
    }
    var hasFailed = false
    for case (let run, .failed(let reason)) in results.map({ ($0.run, $0.state) }) {
      Console.note("error: \(run.name): \(reason)")
      hasFailed = true
    }
    if hasFailed { throw ExitCode.failure }
    if finished < results.count {
      Console.note("stopped and saved; the same command goes on from here")
    }
  }

  private func score(_ result: SweepResult) -> Double {
    result.last?.scores.psnr ?? -.infinity
  }
}

/// A sweep that cannot be done.
private struct SweepFailure: Error, CustomStringConvertible {
  let description: String
}

/// Trains one run of a sweep.
private struct SweepTraining: BackendVisitor {
  let options: TrainingOptions
  let folder: String
  let saved: () -> Void
  let shouldStop: () -> Bool

  func visit<B: Backend>(_ backend: B) throws -> TrainingEnd {
    let display = TrainingDisplay()
    let trainer = try Trainer(options, experiments: folder, on: backend) { event in
      if case .saved = event { saved() }
      display.show(event)
    }
    return try trainer.run(shouldStop: shouldStop)
  }
}
