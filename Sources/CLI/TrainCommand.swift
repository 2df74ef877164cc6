import ArgumentParser
import Basics
import Foundation
import Kernels
import Restormer

/// `restormer train`: from a folder of pairs to trained weights.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a model on a folder of degraded and clean images.",
    discussion: """
      Example: restormer train --degrade document --data Examples/page-sharp.png --preset tiny \
      --patch 64 --steps 20

      From pairs: restormer train --data pages/train --val pages/val --preset compact --steps 2000

      The data folder holds 'input' and 'target' with files of the same names, or with --degrade \
      clean images, from \
      which endless pairs are made on the way. The same command goes on where a run stood; Ctrl-C \
      finishes the step, \
      saves and leaves.

      --degrade takes 'document' (a phone's photograph of a page) or 'none', then what differs \
      from it, in quotes: \
      'document defocus=1.2-2.6 motion=3-8@0.5 jpeg=off'. A range is in pixels, levels of 255 or \
      JPEG quality; the number \
      behind @ is the share of patches. See 'restormer degrade' for the kinds.

      A grid of runs: restormer train --sweep Examples/sweeps/first-choices.yml --degrade document \
      --data \
      Examples/page-sharp.png --val Examples/page-sharp.png --steps 20

      The file lists values of these options; each combination is trained on the other options \
      given here. \
      experiments/SWEEP/ gets a folder for each run, and sweep.csv, sweep.md and sweep.svg with \
      scores and curves. The same \
      command skips what is finished and goes on where it stood.
      """)

  @OptionGroup var flags: TrainingFlags

  @Option(
    name: .long, help: "Do a grid of runs, one after the other; see Examples/sweeps.")
  var sweep: String?

  @Option(name: .long, help: "Folder in which runs lie.")
  var experiments = "experiments"

  @Option(
    name: .long, parsing: .unconditional, help: "Save and leave after so many minutes.",
    transform: number(0...1e7))
  var maxMinutes: Double?

  @Flag(name: .long, help: "Print where the device's time went, per kernel.")
  var profile = false

  @Flag(
    name: .long, help: "Ranks of an MPI job keep a part of the optimizer's moments each.")
  var shardOptimizer = false

  @OptionGroup var device: DeviceOptions

  func run() throws {
    // The run outlives whoever reads its lines.
    signal(SIGPIPE, SIG_IGN)
    let remarks = RemarkNotes()
    defer { remarks.finish() }
    if let sweep { return try runSweep(sweep) }
    var chosen = try TrainingOptions(settings: flags.settings)
    if shardOptimizer { chosen.shardOptimizer = true }
    for note in chosen.notes { Console.note("note: \(note)") }
    noteLeftOut(in: chosen.data.imageFolders + (chosen.validation?.imageFolders ?? []))
    let opened = try device.open(for: .training, profiling: profile)
    Console.note("device: \(opened.name)")
    Console.note("model: \(chosen.model.summary)")
    let end = try train(chosen, on: opened.backend)
    let folder = "\(experiments)/\(chosen.name)"
    switch end {
    case .finished: Console.note("finished: \(folder)/models/final.safetensors")
    case .stopped:
      Console.note("stopped and saved in \(folder); the same command goes on from here")
    }
    if profile { try printProfile(opened) }
  }

  /// Runs a trainer and shows what it reports.
  private func train(_ options: TrainingOptions, on backend: some Backend) throws -> TrainingEnd {
    let clock = Stopwatch()
    let display = TrainingDisplay()
    let interrupt = InterruptFlag()
    let trainer = try Trainer(
      options, experiments: experiments, on: backend, ranks: .current
    ) { event in
      interrupt.heed(event)
      display.show(event)
    }
    let end = try trainer.run {
      interrupt.isSet || maxMinutes.map { clock.seconds > 60 * $0 } ?? false
    }
    if profile, let (all, waited) = trainer.reductionTimes {
      Console.note(
        String(
          format:
            "summing gradients over ranks took %.2f s, %.0f %% of it beside the backward pass",
          all, 100 * max(0, 1 - waited / max(all, 1e-9))))
    }
    return end
  }
}
