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

      Without -m the bundled model for blurred pages of text restores; --list-models says more about it.

      PNG (8 and 16 bit), JPEG, TIFF, WebP and BMP are read; transparency, bit depth, colour profile, EXIF and XMP are \
      carried over, orientation is applied. A file that fails is reported at the end and does not stop the others.
      """)

  @Argument(help: "Images or folders.")
  var inputs: [String] = []

  @Option(
    name: [.short, .long], help: "Folder for the results, or a file name for a single image.")
  var output: String?

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Weights: .safetensors, .pth, or the name of a bundled model.")
  var model: String?

  @Flag(name: .long, help: "Describe the bundled models, and restore nothing.")
  var listModels = false

  @Option(
    name: .long,
    help: "Right views for a dual-pixel model: a file, or a folder with the same file names.")
  var right: String?

  @OptionGroup var device: DeviceOptions

  @Option(
    name: [.short, .long],
    help: "auto: the largest tile that memory holds; 0: whole images; or a multiple of 8.")
  var tile = "auto"

  @Option(name: .long, help: "Pixels that neighbouring tiles share.")
  var overlap = 32

  @Option(name: .long, help: "How tiles are merged: smooth, or box as the official demo does.")
  var blend = TileBlend.smooth

  @Option(
    name: [.short, .long], help: "png or jpeg; by default that of the output name, else png.")
  var format: ImageFormat?

  @Flag(name: [.customShort("x"), .long], help: "Average over the 8 flips and rotations.")
  var tta = false

  @Flag(name: .long, help: "Replace results that exist.")
  var overwrite = false

  @Option(name: .long, help: "Also write an HTML page that shows the images before and after.")
  var report: String?

  @Flag(name: .long, help: "Let the bundled model change pages that look sharp already, too.")
  var evenSharp = false

  @Flag(name: .long, help: "Print where the device's time went, per kernel.")
  var profile = false

  @Flag(name: [.short, .long], help: "Say more about device, tiles and memory.")
  var verbose = false

  func validate() throws {
    guard !listModels else { return }
    guard !inputs.isEmpty else { throw ValidationError("no images or folders given") }
    guard let output else { throw ValidationError("-o is missing: where to write the results") }
    guard !output.isEmpty else { throw ValidationError("--output is empty") }
  }

  func run() throws {
    guard !listModels, let output else { return try printBundledModels() }
    let options = try restoreOptions()
    let jobs = try RestoreBatch(
      inputs: inputs, output: output, right: right, format: format, overwrite: overwrite
    ).jobs()
    var failures = jobs.compactMap { job in job.fault.map { "\(job.input): \($0)" } }
    let possible = jobs.filter { $0.fault == nil }
    if !possible.isEmpty {
      let chosen = try ChosenModel(model)
      let opened = try device.open(profiling: profile)
      Console.note("device: \(opened.name)")
      Console.note("model: \(chosen.title)")
      let page = try report.map {
        try ReportFile($0, source: "restored with \(chosen.title)", count: possible.count)
      }
      let interrupt = InterruptGuard()
      let run = RestoreRun(
        jobs: possible, weights: chosen.weights, options: options, evenSharp: evenSharp,
        verbose: verbose, report: page, interrupt: interrupt)
      failures += try opened.accept(run)
      do { try interrupt.whole { try page?.finish() } } catch { failures.append(oneLine(error)) }
      if profile { try printProfile(opened) }
    }
    guard failures.isEmpty else {
      if jobs.count > 1 { Console.note("\(failures.count) of \(jobs.count) failed:") }
      for failure in failures { Console.note("error: \(failure)") }
      throw ExitCode.failure
    }
  }

  private func printBundledModels() throws {
    for name in BundledModel.names {
      guard let model = try BundledModel(named: name) else { continue }
      let network = model.weights.model
      Console.print("\(name): \(model.purpose)")
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
      guard let side = Int(tile), side >= 16, side % RestormerModel.sizeMultiple == 0 else {
        throw ValidationError("--tile \(tile): expected auto, 0 or a multiple of 8, at least 16")
      }
      options.tile = .pixels(side)
      guard overlap < side else {
        throw ValidationError("--overlap \(overlap): expected less than the tile's \(side) pixels")
      }
    }
    guard (0...ImageHeader.maximumSide).contains(overlap) else {
      throw ValidationError(
        "--overlap \(overlap): expected 0 to \(ImageHeader.maximumSide)")
    }
    options.overlap = overlap
    options.blend = blend
    options.ensemble = tta
    return options
  }
}

extension ImageFormat: ExpressibleByArgument {
  public init?(argument: String) {
    self.init(pathExtension: argument)
    guard Self.writable.contains(self) else { return nil }
  }
}

extension TileBlend: ExpressibleByArgument {}

/// Restores a list of files one after the other; the result is what went wrong, one line a file.
private struct RestoreRun: BackendVisitor {
  let jobs: [RestoreJob]
  let weights: ModelWeights
  let options: RestoreOptions
  let evenSharp: Bool
  let verbose: Bool
  let report: ReportFile?
  let interrupt: InterruptGuard

  func visit<B: Backend>(_ backend: B) throws -> [String] {
    let restorer = try Restorer(weights, on: backend, options: options)
    if verbose {
      Console.note("network: \(weights.model.configuration.summary)")
      Console.note("parameters: \(grouped(weights.model.parameterCount))")
    }
    var bar = ProgressLine()
    var failures: [String] = []
    for (index, job) in jobs.enumerated() {
      let label = "\(index + 1)/\(jobs.count) \((job.input as NSString).lastPathComponent)"
      bar.update(Double(index) / Double(jobs.count), label)
      do {
        let summary = try restore(job, with: restorer) { fraction in
          bar.update((Double(index) + fraction) / Double(jobs.count), label)
        }
        bar.clear()
        Console.note("\(job.input) -> \(job.output)  \(summary)")
      } catch {
        bar.clear()
        failures.append(oneLine(error))
        // It is told again at the end, where a long list has not pushed it out of sight.
        if jobs.count > 1 { Console.warn(oneLine(error)) }
      }
    }
    return failures
  }

  private func restore<B: Backend>(
    _ job: RestoreJob, with restorer: Restorer<B>, progress: (Double) -> Void
  ) throws -> String {
    let start = Date()
    let header = try Image.header(of: job.input)
    try checkHostMemory(job, restorer, width: header.width, height: header.height)
    let image = try Bitmap(contentsOf: job.input)
    var isKept = false
    do {
      let restored = try restorer.restore(
        image, right: try job.right.map(Bitmap.init(contentsOf:)), progress: progress)
      isKept = !evenSharp && weights.leavesAlone(restored.crispness)
      let result = isKept ? image : restored.picture
      try interrupt.whole { try result.write(to: job.output, format: job.format) }
      try report?.add(
        (job.output as NSString).lastPathComponent,
        ReportViews(before: Image(image), after: Image(contentsOf: job.output)))
    } catch let error where !(error is ImageError) {
      throw RestoreFailure(description: "\(job.input): \(oneLine(error))")
    }
    var summary = "\(image.width)x\(image.height) \(duration(Date().timeIntervalSince(start)))"
    for remark in image.remarks { summary += ", \(remark)" }
    if isKept { summary += ", sharp already: left as it is (--even-sharp)" }
    if verbose { summary += ", " + (try describeTiles(restorer, image)) }
    return summary
  }

  private func describeTiles<B: Backend>(
    _ restorer: Restorer<B>, _ image: Bitmap
  ) throws -> String {
    let layout = try restorer.layout(width: image.width, height: image.height)
    let (width, height) = (
      min(layout.side ?? .max, image.width), min(layout.side ?? .max, image.height)
    )
    let memory = restorer.memoryNeed(
      width: roundUp8(width), height: roundUp8(height), keepsValues: layout.keepsValues)
    return (layout.side.map { "tiles of \($0)" } ?? "whole")
      + (layout.keepsValues ? "" : ", v computed twice")
      + ", \(gigabytes(memory)) of device memory"
  }

  private func roundUp8(_ value: Int) -> Int { (value + 7) / 8 * 8 }

  private func checkHostMemory<B: Backend>(
    _ job: RestoreJob, _ restorer: Restorer<B>, width: Int, height: Int
  ) throws {
    let need = restorer.hostMemoryNeed(width: width, height: height)
    let available = HostMemory.available
    // The system and other programs live on the last tenth.
    let usable = available / 10 * 9
    guard need <= usable else {
      throw RestoreFailure(
        description: "\(job.input): \(width)x\(height) needs about \(gigabytes(need)) of memory, "
          + "at most \(gigabytes(usable)) of the free \(gigabytes(available)) can be used")
    }
  }
}

/// One image could not be restored.
struct RestoreFailure: Error, CustomStringConvertible {
  let description: String
}
