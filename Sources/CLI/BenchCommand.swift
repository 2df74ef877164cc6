import ArgumentParser
import Kernels
import Restormer

/// `restormer bench`: what the device can do, and how much of it the operators and the model get.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract:
      "Times the device, every operator at the model's shapes, inference and a training step.",
    discussion: """
      Example: restormer bench ceilings inference --preset compact --size 128x128

      Choose the kernels' free numbers for this device: restormer bench --tune
      Only a training step: restormer bench training --preset paper --batch 2 --recompute on
      What inference and training are made of, as a query plan: restormer bench plan
      """)

  @Argument(
    help: "What is timed: ceilings, ops, inference, training; all of them by default. Or plan.")
  var parts: [BenchmarkPart] = []

  @OptionGroup var device: DeviceOptions

  @Option(name: .long, help: "paper, compact or tiny.")
  var preset = "paper"

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Weights, instead of a preset with random ones.")
  var weights: String?

  @OptionGroup var weightsOptions: WeightsOptions

  @Option(
    name: .long,
    help: "float; half: what lies between layers is stored so; or tf32, for matrix units.")
  var precision = PrecisionChoice.float

  @Option(
    name: .long, parsing: .unconditional, help: "Size of the restored image, WIDTHxHEIGHT.")
  var size = "256x256"

  @Option(within: 8...8192, help: "Rows and columns of a training patch, a multiple of 8.")
  var patch = 128

  @Option(within: 1...4096, help: "Patches of a training step.")
  var batch = 1

  @Option(name: .long, help: "off or on: compute blocks again in the training step.")
  var recompute = RecomputeChoice.off

  @Option(within: 1...1000, help: "Measured runs of each; the median is printed.")
  var repeats = 5

  @Flag(
    name: .long,
    help: "Try what operators leave open, and keep the winners for this device.")
  var tune = false

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  func run() throws {
    let plan = try plan()
    let opened = try device.open(for: tune ? .examining : .restoring)
    if tune { return try plan.tune(opened) }
    let backend = try precision.prepare(opened).backend
    let report = try plan.run(on: backend)
    if json {
      try Console.print(report.json(device: opened.name, precision: precision))
    } else {
      Console.print("device: \(opened.name)")
      if precision != .float { Console.print("precision: \(precision.rawValue)") }
      for line in report.lines { Console.print(line) }
    }
  }

  private func plan() throws -> BenchmarkPlan {
    guard patch % RestormerModel.sizeMultiple == 0 else {
      throw ValidationError(
        "--patch \(patch): expected a multiple of \(RestormerModel.sizeMultiple)")
    }
    guard precision != .automatic else {
      throw ValidationError("--precision auto: expected float, half or tf32")
    }
    guard !tune || precision == .float else {
      throw ValidationError("--tune: numbers are chosen for float, without --precision")
    }
    let weights = try modelWeights()
    let channels = weights.model.configuration.inputChannels
    let (width, height) = try parseSize(size)
    return BenchmarkPlan(
      weights: weights, parts: parts.isEmpty ? BenchmarkPart.timed : Set(parts),
      image: Shape(1, channels, roundUp(height), roundUp(width)),
      batch: Shape(batch, channels, patch, patch), recompute: recompute == .on, repeats: repeats,
      precision: precision.storage)
  }

  private func modelWeights() throws -> ModelWeights {
    if let weights { return try ChosenModel(weights, key: weightsOptions.paramKey).weights }
    guard let configuration = ModelConfiguration.presets[preset] else {
      let known = ModelConfiguration.presets.keys.sorted().joined(separator: ", ")
      throw ValidationError("--preset \(preset): expected one of \(known)")
    }
    return ModelWeights.initialized(RestormerModel(configuration), seed: 1)
  }

  private func roundUp(_ side: Int) -> Int {
    let multiple = RestormerModel.sizeMultiple
    return (side + multiple - 1) / multiple * multiple
  }
}

/// What `bench` can time, or tell.
enum BenchmarkPart: String, CaseIterable, ExpressibleByArgument {
  case ceilings
  case ops
  case inference
  case training
  case plan

  static let timed = Set(allCases).subtracting([.plan])
}

/// Whether the timed training step computes blocks again.
enum RecomputeChoice: String, CaseIterable, ExpressibleByArgument {
  case off
  case on
}

/// Everything that is to be timed on a backend.
struct BenchmarkPlan {
  let weights: ModelWeights
  let parts: Set<BenchmarkPart>
  let image: Shape
  let batch: Shape
  let recompute: Bool
  let repeats: Int
  let precision: Precision

  /// Times what was asked for on `backend`.
  func run(on backend: some Backend) throws -> BenchmarkReport {
    var report = BenchmarkReport(image: image, batch: batch, recompute: recompute)
    if parts.contains(.ceilings) { report.ceilings = try backend.measureCeilings() }
    let benchmark = ModelBenchmark(
      weights, on: backend, repeats: repeats, storing: precision)
    if parts.contains(.ops) {
      let operators = OperatorBenchmark(on: backend, repeats: repeats)
      report.inferenceOperators = try operators.run(benchmark.inferenceOperators(image))
      report.trainingOperators = try operators.run(benchmark.trainingOperators(batch))
    }
    if parts.contains(.inference) { report.inference = try benchmark.inference(image) }
    if parts.contains(.training) {
      report.training = try benchmark.training(batch, recompute: recompute)
    }
    if parts.contains(.plan) {
      report.inferencePlan = try benchmark.inferenceOutline(image)
      report.trainingPlan = try benchmark.trainingOutline(batch, recompute: recompute)
    }
    return report
  }
}
