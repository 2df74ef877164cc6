import ArgumentParser
import Basics
import Foundation
import Kernels
import Restormer

/// `restormer train --sweep FILE`: this command once for each combination of the file's values.
extension TrainCommand {
  func runSweep(_ path: String) throws {
    let file = try SweepFile(contentsOf: path)
    let given = flags.settings
    if let key = file.keys.first(where: given.keys.contains) {
      throw ValidationError("--\(key) is in the grid of \(path)")
    }
    let name = given["name"]
    if let name, let fault = TrainingOptions.fault(ofName: name) { throw ValidationError(fault) }
    let folder = "\(experiments)/\(name ?? file.name)"
    let planned = try file.runs.map { ($0, try file.options(of: $0, given: given)) }
    noteLeftOut(
      in: planned.flatMap { $1.data.imageFolders + ($1.validation?.imageFolders ?? []) })
    guard planned.allSatisfy({ $1.validation != nil }) else {
      throw ValidationError("a sweep compares by validation: --val is needed")
    }
    let opened = try device.open(for: .training, profiling: profile)
    Console.note("device: \(opened.name)")
    let sweep = try Sweep(file, path: folder, planned: planned)
    let interrupt = InterruptFlag()
    let clock = Stopwatch()
    let minutes = maxMinutes
    try sweep.run(report: Console.note) { options, saved in
      try SweepTraining(options: options, folder: folder, interrupt: interrupt, saved: saved) {
        interrupt.isSet || minutes.map { clock.seconds > 60 * $0 } ?? false
      }.run(on: opened.backend)
    }
    if profile { try printProfile(opened) }
    try tell(sweep.results, folder)
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

/// Trains one run of a sweep.
private struct SweepTraining {
  let options: TrainingOptions
  let folder: String
  let interrupt: InterruptFlag
  let saved: () -> Void
  let shouldStop: () -> Bool

  func run(on backend: some Backend) throws -> TrainingEnd {
    let display = TrainingDisplay()
    let trainer = try Trainer(options, experiments: folder, on: backend) { event in
      if case .saved = event { saved() }
      interrupt.heed(event)
      display.show(event)
    }
    return try trainer.run(shouldStop: shouldStop)
  }
}
