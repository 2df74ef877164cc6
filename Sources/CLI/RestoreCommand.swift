import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer restore`: degraded images in, restored images out.
struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Restores images or folders of images.",
    discussion: """
      Example: restormer restore Examples/page-blurred.png -o restored

      Without -m the bundled model for blurred pages of text restores; --list-models says more \
      about it.

      PNG (8 and 16 bit), JPEG, TIFF, WebP and BMP are read; transparency, bit depth, colour \
      profile, EXIF and XMP are \
      carried over, orientation is applied. A file that fails is reported at the end and does not \
      stop the others. \
      Results that are in the folder already are left as they are, which is no failure.
      """)

  @Argument(help: "Images or folders; - is standard input.")
  var inputs: [String] = []

  @Option(
    name: [.short, .long], help: "Folder for the results, or a file name for a single image.")
  var output: String?

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Weights: .safetensors, .pth, or the name of a bundled model.")
  var model: String?

  @OptionGroup var weightsOptions: WeightsOptions

  @Flag(name: .long, help: "Describe the bundled models, and restore nothing.")
  var listModels = false

  @Option(
    name: .long,
    help: "Right views for a dual-pixel model: a file, or a folder with the same file names.")
  var right: String?

  @OptionGroup var device: DeviceOptions

  @Option(
    name: [.short, .long], parsing: .unconditional,
    help: "auto: the largest tile that memory holds; 0: whole images; or a multiple of 8.")
  var tile = "auto"

  @Option(
    within: 0...ImageHeader.maximumSide, help: "Pixels that neighbouring tiles share.")
  var overlap = 32

  @Option(name: .long, help: "How tiles are merged: smooth, or box as the official demo does.")
  var blend = TileBlend.smooth

  @Option(
    name: [.short, .long], help: "png or jpeg; by default that of the output name, else png.")
  var format: ImageFormat?

  @Flag(
    name: [.customShort("x"), .long],
    help: "Average over the flips and rotations that the weights were trained with.")
  var tta = false

  @Flag(name: [.short, .long], help: "Go into folders inside folders; results lie likewise.")
  var recursive = false

  @Flag(name: .long, help: "Replace results that exist.")
  var overwrite = false

  @Flag(
    name: .long,
    help: "Leave a result that exists as it is, even where -o names it; in a folder that is so.")
  var skipExisting = false

  @Flag(
    name: .long, help: "Print what became of each image as JSON; with --list-models the models.")
  var json = false

  @Option(name: .long, help: "Also write an HTML page that shows the images before and after.")
  var report: String?

  @Flag(
    name: .long,
    help: "Let the bundled model change pages that look sharp already and what is no page, too.")
  var evenSharp = false

  @OptionGroup var statistics: LocalStatisticsOptions

  @OptionGroup var storage: PrecisionOptions

  @Flag(name: .long, help: "Print where the device's time went, per kernel.")
  var profile = false

  @Flag(name: [.short, .long], help: "Say more about device, tiles and memory.")
  var verbose = false

  @OptionGroup var sharing: ShareOptions

  @OptionGroup var talk: TalkOptions

  func validate() throws {
    guard !listModels else { return }
    guard !inputs.isEmpty else { throw ValidationError("no images or folders given") }
    guard let output else { throw ValidationError("-o is missing: where to write the results") }
    guard !overwrite || !skipExisting else {
      throw ValidationError("--overwrite and --skip-existing exclude each other")
    }
    guard output != "-" || (!json && !profile) else {
      throw ValidationError("-o -: standard output takes the image, not --json or --profile too")
    }
  }

  func run() throws {
    guard !listModels, let output else { return try printBundledModels() }
    let options = try restoreOptions()
    let share = try sharing.share()
    let plan = try RestoreBatch(
      inputs: inputs, output: output, right: right, format: format, overwrite: overwrite,
      skipExisting: skipExisting, recursive: recursive, share: share
    ).plan()
    let unusable = try share.gathered(
      plan.faults.map { Numbered(number: $0.number, value: [$0.input, $0.reason]) })
    let existing = try share.gathered(
      plan.existing.map { Numbered(number: $0.number, value: RestoreOutcome(existing: $0)) })
    noteExisting(existing)
    var outcomes = unusable.map { RestoreOutcome(failed: $0[0], $0[1]) } + existing
    var faults = unusable.map { "\($0[0]): \($0[1])" }
    if try share.total(plan.jobs.count) > 0 {
      let restored = try restore(plan.jobs, options, share)
      outcomes += restored.outcomes
      faults += restored.faults
    }
    if json { try Console.printJSON(outcomes) }
    try endBatch(faults, of: outcomes.count)
  }

  /// Restores this process's jobs; what came of those of all ranks.
  private func restore(
    _ jobs: [RestoreJob], _ options: RestoreOptions, _ share: FileShare
  ) throws -> (outcomes: [RestoreOutcome], faults: [String]) {
    let chosen = try ChosenModel(model, key: weightsOptions.paramKey)
    let opened = try device.open(profiling: profile)
    Console.note("device: \(opened.name)")
    Console.note("model: \(chosen.title)")
    if tta { chosen.weights.tellEnsemble() }
    let page = try report.map {
      try ReportFile(
        $0, source: "restored with \(chosen.title)", count: jobs.count, share: share)
    }
    let interrupt = InterruptGuard()
    let run = RestoreRun(
      jobs: jobs, options: options, verbose: verbose, report: page, interrupt: interrupt)
    let weights = (consume chosen).weights
    let own = try run.run(with: consume weights, on: opened.backend)
    let outcomes = try share.gathered(
      zip(jobs, own).map { Numbered(number: $0.number, value: $1) })
    var faults = outcomes.compactMap(\.error)
    do { try interrupt.whole { try page?.finish() } } catch { faults.append(oneLine(error)) }
    if profile { try printProfile(opened) }
    return (outcomes, faults)
  }

  /// A batch that is run again goes on where it stood: that is said once, and is no fault.
  private func noteExisting(_ results: [RestoreOutcome]) {
    guard let first = results.first?.output else { return }
    Console.note(
      results.count == 1
        ? "\(first) exists and was left as it is (--overwrite replaces it)"
        : "\(results.count) results exist and were left as they are (--overwrite replaces them)")
  }

  private func printBundledModels() throws {
    let models = try BundledModel.names.compactMap { try BundledModel(named: $0) }
    if json { return try Console.printJSON(models.map(ModelDescription.init)) }
    for model in models {
      let network = model.weights.model
      Console.print("\(model.name): \(model.purpose)")
      Console.print("  training    \(model.training)")
      Console.print("  gain        \(model.gain)")
      Console.print(
        "  network     \(grouped(network.parameterCount)) parameters, "
          + network.configuration.summary)
    }
  }

  private func restoreOptions() throws -> RestoreOptions {
    var options = RestoreOptions()
    switch tile.lowercased() {
    case "auto": options.tile = .automatic
    case "0": options.tile = .whole
    default:
      guard let side = Int(tile), (16...ImageHeader.maximumSide).contains(side),
        side % RestormerModel.sizeMultiple == 0
      else {
        throw ValidationError(
          "--tile \(tile): expected auto, 0 or a multiple of 8 from 16 to "
            + "\(ImageHeader.maximumSide)"
        )
      }
      options.tile = .pixels(side)
      guard overlap < side else {
        throw ValidationError("--overlap \(overlap): expected less than the tile's \(side) pixels")
      }
    }
    options.overlap = overlap
    options.blend = blend
    (options.ensemble, options.evenSharp) = (tta, evenSharp)
    options.localStatistics = statistics.localStatistics
    options.precision = storage.precision
    return options
  }
}

/// A bundled model as `--list-models --json` describes it.
private struct ModelDescription: Encodable {
  let name: String
  let purpose: String
  let training: String
  let gain: String
  let parameters: Int

  init(_ model: BundledModel) {
    (name, purpose, training, gain) = (model.name, model.purpose, model.training, model.gain)
    parameters = model.weights.model.parameterCount
  }
}

extension ImageFormat: ExpressibleByArgument {
  public init?(argument: String) {
    self.init(pathExtension: argument)
    guard Self.writable.contains(self) else { return nil }
  }

  public static var allValueStrings: [String] { writable.map(\.rawValue) }
}

extension TileBlend: ExpressibleByArgument {}
