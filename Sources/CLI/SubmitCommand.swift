import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer submit`: from test images to the file that a competition takes.
struct SubmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit",
    abstract: "Restores a folder of test images into a competition's CSV.",
    discussion: """
      Example: restormer submit Examples/page-blurred.png -o submission.csv -m \
      Examples/test-weights.safetensors

      --form pixels writes 'id,value', a row for each pixel: the id is IMAGE_ROW_COLUMN with the \
      file's name without \
      extension; rows and columns count from 1. Images come in the order of their names (2 before \
      10), their pixels row \
      by row. --form image writes 'id,values', a row for each image: all values row by row, \
      separated by spaces.

      Values are gray (colour becomes 0.299 R + 0.587 G + 0.114 B), clamped to the range, rounded \
      to the nearest, \
      without zeros at the end. Any normalisation of the model is undone. With --sample the \
      header, the ids and their \
      order are the sample's; each of its ids must belong to a given pixel, and each pixel must be \
      in it once.

      With --targets the written values are scored: RMSE and MAE over all pixels, in the file's \
      own range. The file is \
      replaced as a whole at the end, or not at all.
      """)

  @Argument(help: "Folder of test images, or one image.")
  var input: String

  @Option(name: [.short, .long], help: "The CSV to write.")
  var output: String

  @Option(
    name: [.customShort("m"), .customLong("model")], help: "Weights: .safetensors or .pth.")
  var model: String?

  @OptionGroup var weightsOptions: WeightsOptions

  @Flag(name: .long, help: "The images are restored already: take their values as they are.")
  var restored = false

  @Option(name: .long, help: "pixels: a row for each pixel; image: a row for each image.")
  var form = SubmissionFormat.Form.pixels

  @Option(name: .long, help: "unit: values from 0 to 1; byte: from 0 to 255.")
  var range = SubmissionFormat.Range.unit

  @Option(within: 0...6, help: "Digits after the point, 0 to 6; by default 5, for bytes 0.")
  var decimals: Int?

  @Option(
    within: 0...1,
    help: "Number of the first row and column, 0 or 1; by default the sample's, without one 1.")
  var firstIndex: Int?

  @Option(name: .long, help: "Sample submission whose header, ids and order are followed.")
  var sample: String?

  @Option(name: .long, help: "Targets of the same names to score against.")
  var targets: String?

  @Flag(
    name: [.customShort("x"), .long],
    help: "Average over the flips and rotations that the weights were trained with.")
  var tta = false

  @OptionGroup var statistics: LocalStatisticsOptions

  @OptionGroup var storage: PrecisionOptions

  @OptionGroup var device: DeviceOptions

  @OptionGroup var talk: TalkOptions

  func run() throws {
    let format = try submissionFormat()
    noteLeftOut(in: [input, targets])
    let remarks = RemarkNotes()
    let images = try SubmissionImage.list(input, targets: targets)
    let submission = try Submission(
      images, format: format, sample: sample.map(SampleSubmission.init(contentsOf:)))
    try checkOutput(against: images)
    let decisions = DecisionNotes()
    let restore = try makeRestore(decisions)
    let interrupt = InterruptFlag("leaving after this image (once more to leave at once)")
    var bar = ProgressLine()
    var done = 0
    let summary = try submission.write(to: output) { image in
      if interrupt.isSet { throw SubmitFailure(description: "interrupted, nothing was written") }
      let label = "\(done + 1)/\(images.count) \(image.name)"
      let result = try restore(image) { fraction in
        bar.update((Double(done) + fraction) / Double(images.count), label)
      }
      done += 1
      return result
    }
    bar.clear()
    remarks.finish()
    decisions.tell()
    let sources = images.count == 1 ? "one image" : "\(images.count) images"
    Console.note("\(output): \(grouped(summary.rows)) rows of \(sources)")
    if let score = summary.score {
      Console.print(
        String(
          format: "RMSE %.6f  MAE %.6f  over %@ values from 0 to %.0f", score.rmse, score.mae,
          grouped(score.count), range.white))
    }
  }

  /// The file that is written must be none of those that are read.
  private func checkOutput(against images: [SubmissionImage]) throws {
    guard let written = FileIdentity(output) else { return }
    let read = images.flatMap { [$0.path, $0.target] } + [sample, model]
    for path in read.compactMap({ $0 }) where FileIdentity(path) == written {
      throw SubmitFailure(
        description: "\(output): would replace \(path), which is read: expected another name")
    }
  }

  private func submissionFormat() throws -> SubmissionFormat {
    guard restored != (model != nil) else {
      throw ValidationError("expected either weights (--model) or --restored")
    }
    return SubmissionFormat(form: form, range: range, decimals: decimals, firstIndex: firstIndex)
  }

  private func makeRestore(
    _ decisions: DecisionNotes
  ) throws -> (SubmissionImage, (Double) -> Void) throws -> Image {
    guard let model else { return { image, _ in try Image(contentsOf: image.path) } }
    let weights = try ChosenModel(model, key: weightsOptions.paramKey).weights
    guard !weights.model.configuration.dualPixel else {
      throw SubmitFailure(
        description: "\(model): a dual-pixel model: run 'restormer restore --right' first, then "
          + "submit its results with --restored")
    }
    let opened = try device.open()
    Console.note("device: \(opened.name)")
    var options = RestoreOptions()
    options.ensemble = tta
    options.localStatistics = statistics.localStatistics
    options.precision = storage.precision
    if tta { weights.tellEnsemble() }
    return try Self.makeRestore(weights, options, decisions, on: opened.backend)
  }

  private static func makeRestore(
    _ weights: ModelWeights, _ options: RestoreOptions, _ decisions: DecisionNotes,
    on backend: some Backend
  ) throws -> (SubmissionImage, (Double) -> Void) throws -> Image {
    let restorer = try Restorer(weights, on: backend, options: options)
    restorer.note = Console.note
    return { image, progress in
      do {
        let restored = try restorer.restore(Image(contentsOf: image.path), progress: progress)
        decisions.add(image.path.fileName, restored.decision)
        return restored.picture
      } catch let error where !(error is ImageError) {
        throw SubmitFailure(description: "\(image.path): \(oneLine(error))")
      }
    }
  }
}

extension SubmissionFormat.Form: ExpressibleByArgument {}
extension SubmissionFormat.Range: ExpressibleByArgument {}

/// A submission that could not be made.
private struct SubmitFailure: Error, CustomStringConvertible {
  let description: String
}
