import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer train`: from a folder of pairs to trained weights.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a model on a folder of degraded and clean images.",
    discussion: """
      Example: restormer train --degrade document --data Examples/page-sharp.png --preset tiny --patch 64 --steps 20

      From pairs: restormer train --data pages/train --val pages/val --preset compact --steps 2000

      The data folder holds 'input' and 'target' with files of the same names, or with --degrade clean images, from \
      which endless pairs are made on the way. The same command goes on where a run stood; Ctrl-C finishes the step, \
      saves and leaves.

      --degrade takes 'document' (a phone's photograph of a page) or 'none', then what differs from it, in quotes: \
      'document defocus=1.2-2.6 motion=3-8@0.5 jpeg=off'. A range is in pixels, levels of 255 or JPEG quality; the number \
      behind @ is the share of patches. See 'restormer degrade' for the kinds.

      A grid of runs: restormer train --sweep Examples/sweeps/first-choices.yml --degrade document --data \
      Examples/page-sharp.png --val Examples/page-sharp.png --steps 20

      The file lists values of these options; each combination is trained on the other options given here. \
      experiments/SWEEP/ gets a folder for each run, and sweep.csv, sweep.md and sweep.svg with scores and curves. The same \
      command skips what is finished and goes on where it stood.
      """)

  @Option(name: .long, help: "Options file with the keys of the authors' published YAML files.")
  var options: String?

  @Option(
    name: .long, help: "Folder with 'input' and 'target'; with --degrade one of clean images.")
  var data: String?

  @Option(name: .long, help: "Make the degraded images from clean ones by this recipe.")
  var degrade: String?

  @Option(name: .long, help: "Validation folder, as --data; with --degrade pairs or clean images.")
  var val: String?

  @Option(
    name: .long, help: "Do a grid of runs, one after the other; see Examples/sweeps.")
  var sweep: String?

  @Option(name: .long, help: "Name of the run's folder.")
  var name: String?

  @Option(name: .long, help: "Folder in which runs lie.")
  var experiments = "experiments"

  @Option(name: .long, help: "paper, compact or tiny.")
  var preset: String?

  @Option(name: .long, help: "Weights to start from.")
  var pretrained: String?

  @OptionGroup var weightsOptions: WeightsOptions

  @Option(name: .long, help: "l1, mse or charbonnier.")
  var loss: LossKind?

  @Option(name: .long, help: "adamw or sgd.")
  var optimizer: OptimizerOptions.Kind?

  @Option(name: .customLong("lr"), help: "Learning rate.")
  var rate: Double?

  @Option(name: .long, help: "constant, or cosine down to a thousandth over the whole run.")
  var schedule: ScheduleName?

  @Option(name: .long, help: "Weight decay.")
  var weightDecay: Double?

  @Option(name: .long, help: "Momentum of sgd.")
  var momentum: Double?

  @Option(name: .long, help: "First steps, over which the rate rises.")
  var warmup: Int?

  @Option(name: .long, help: "Steps of the run.")
  var steps: Int?

  @Option(name: .long, help: "Epochs of the run, instead of --steps.")
  var epochs: Int?

  @Option(name: .long, help: "Patches of a batch.")
  var batch: Int?

  @Option(name: .long, help: "Rows and columns of a patch, a multiple of 8.")
  var patch: Int?

  @Option(name: .long, help: "Batches whose gradients are summed for one step.")
  var accumulate: Int?

  @Option(name: .long, help: "Largest norm of the gradient; 0 for no clipping.")
  var clip: Double?

  @Option(name: .long, help: "Decay of a moving average of the weights; 0 for none.")
  var ema: Double?

  @Option(name: .long, help: "Mix the patches of a batch by shares from Beta(B, B); 0 for not.")
  var mixup: Double?

  @Option(name: .long, help: "Mean and deviation for normalised data, such as 0.5,0.5.")
  var normalize: String?

  @Option(name: .long, help: "auto, on or off: compute blocks again instead of keeping them.")
  var recompute: TrainingOptions.Recompute?

  @Option(name: .long, help: "Seed of weights and batches.")
  var seed: UInt64?

  @Option(name: .long, help: "Steps between validations; by default once an epoch.")
  var valEvery: Int?

  @Option(name: .long, help: "Steps between checkpoints.")
  var saveEvery: Int?

  @Option(name: .long, help: "Newest checkpoints that are kept.")
  var keep: Int?

  @Option(name: .long, help: "Minutes after which a state is saved in any case.")
  var saveMinutes: Double?

  @Option(name: .long, help: "Save and leave after so many minutes.")
  var maxMinutes: Double?

  @Flag(name: .long, help: "Print where the device's time went, per kernel.")
  var profile = false

  @OptionGroup var device: DeviceOptions

  func run() throws {
    if let sweep { return try runSweep(sweep) }
    let chosen = try trainingOptions()
    let opened = try device.open(profiling: profile)
    Console.note("device: \(opened.name)")
    Console.note("model: \(chosen.model.summary)")
    let end = try opened.accept(
      TrainingRun(options: chosen, experiments: experiments, maxMinutes: maxMinutes))
    let folder = "\(experiments)/\(chosen.name)"
    switch end {
    case .finished: Console.note("finished: \(folder)/models/final.safetensors")
    case .stopped:
      Console.note("stopped and saved in \(folder); the same command goes on from here")
    }
    if profile { try printProfile(opened) }
  }
}

/// The schedules that need no numbers.
enum ScheduleName: String, CaseIterable, ExpressibleByArgument {
  case constant
  case cosine
}

extension LossKind: ExpressibleByArgument {}
extension OptimizerOptions.Kind: ExpressibleByArgument {}
extension TrainingOptions.Recompute: ExpressibleByArgument {}

extension TrainCommand {
  /// The options file, if any, with the command line's values over it.
  func trainingOptions() throws -> TrainingOptions {
    var result = try options.map(TrainingOptions.init(contentsOf:)) ?? TrainingOptions()
    if let preset {
      guard let model = ModelConfiguration.presets[preset] else {
        let known = ModelConfiguration.presets.keys.sorted().joined(separator: ", ")
        throw ValidationError("--preset \(preset): expected one of \(known)")
      }
      result.model = result.model.resized(as: model)
    }
    if let name { result.name = name }
    try setData(&result)
    if let pretrained { result.pretrained = pretrained }
    if let key = weightsOptions.paramKey { result.pretrainedKey = key }
    guard result.data.input != nil || result.data.target != nil else {
      throw ValidationError("--data or --options is needed")
    }
    try setOptimization(&result)
    try setLength(&result)
    if let schedule {
      result.rate.schedule =
        schedule == .constant
        ? .constant : .cosine(period: result.totalSteps, minimum: result.rate.base / 1000)
    }
    if let fault = result.fault { throw ValidationError(fault) }
    return result
  }

  private func setData(_ result: inout TrainingOptions) throws {
    let recipe = try degrade.map { try DegradationRecipe($0) } ?? result.data.degradation
    if let data { result.data.move(to: data, isDualPixel: result.model.dualPixel) }
    result.data.degradation = recipe
    if let val {
      var folders = result.validation ?? DataFolders()
      folders.move(to: val, isDualPixel: result.model.dualPixel)
      let isPaired = PairedFolder.isPaired(val)
      folders.degradation = isPaired ? nil : recipe
      if isPaired { folders.noise = nil }
      result.validation = folders
    }
  }

  private func setOptimization(_ result: inout TrainingOptions) throws {
    if let loss { result.loss = loss }
    if let optimizer, optimizer != result.optimizer.kind {
      result.optimizer = OptimizerOptions(optimizer)
    }
    if let weightDecay { result.optimizer.weightDecay = weightDecay }
    if let rate { result.rate.base = rate }
    if let momentum { result.optimizer.momentum = momentum }
    if let warmup { result.rate.warmUp = max(0, warmup) }
    if let clip { result.clip = clip == 0 ? nil : clip }
    if let ema { result.averageDecay = ema == 0 ? nil : ema }
    if let mixup { result.mixup = mixup == 0 ? nil : Mixup(beta: mixup) }
    if let recompute { result.recompute = recompute }
    if let seed { result.seed = seed }
    if let accumulate { result.accumulate = accumulate }
    if let valEvery { result.validationInterval = valEvery }
    if let saveEvery { result.checkpointInterval = max(1, saveEvery) }
    if let keep { result.keptCheckpoints = max(1, keep) }
    if let saveMinutes { result.checkpointMinutes = max(0, saveMinutes) }
    if let normalize {
      let numbers = normalize.split(separator: ",").compactMap { Float($0) }
      guard numbers.count == 2 else {
        throw ValidationError("--normalize \(normalize): expected MEAN,DEVIATION such as 0.5,0.5")
      }
      result.normalization = try ImageNormalization(
        checkingMean: [numbers[0]], std: [numbers[1]])
    }
  }

  /// `--patch` and `--batch` replace all stages by one, `--steps` and `--epochs` cut or stretch the last.
  private func setLength(_ result: inout TrainingOptions) throws {
    if batch != nil || patch != nil {
      let first = result.stages[0]
      result.stages = [
        .init(steps: result.totalSteps, patch: patch ?? first.patch, batch: batch ?? first.batch)
      ]
    }
    if let steps { result.setTotal(steps) }
    if let epochs { result.setTotal(try stepsOf(epochs, result)) }
  }

  private func stepsOf(_ epochs: Int, _ options: TrainingOptions) throws -> Int {
    let patches = epochs * (try options.data.source(for: options.model, cacheBytes: 0).count)
    var long = options
    long.setTotal(.max / (1 << 20))
    // The first step by which so many patches are drawn; stages differ in their batches.
    var (low, high) = (0, max(1, patches))
    while high - low > 1 {
      let middle = (low + high) / 2
      if long.position(at: middle) < patches { low = middle } else { high = middle }
    }
    return high
  }
}

/// Runs a trainer and shows what it reports.
private struct TrainingRun: BackendVisitor {
  let options: TrainingOptions
  let experiments: String
  let maxMinutes: Double?

  func visit<B: Backend>(_ backend: B) throws -> TrainingEnd {
    let clock = Stopwatch()
    let display = TrainingDisplay()
    let interrupt = InterruptFlag()
    let trainer = try Trainer(
      options, experiments: experiments, on: backend, report: display.show)
    return try trainer.run {
      interrupt.isSet || maxMinutes.map { clock.seconds > 60 * $0 } ?? false
    }
  }
}
