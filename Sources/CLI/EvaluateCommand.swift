import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer evaluate`: how close images are to their targets.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Scores images against targets of the same name: PSNR, SSIM, L1, L2, readability.",
    discussion: """
      Example: restormer evaluate Examples/page-blurred.png Examples/page-sharp.png

      An image that is damaged, has no target or one of another size is named at the end and does \
      not stop the others; \
      the exit code is then not zero. A gray image beside a coloured one counts as three equal \
      channels.

      With --model the images are restored first, and rounded as 8-bit files would hold them. \
      Values are in [0, 1]. The \
      columns with y are of the luma of BT.601: psnr_y and ssim_y as Python's BasicSR computes it, \
      psnr_y8 and ssim_y8 \
      rounded to whole 8-bit levels, as MATLAB's rgb2ycbcr gives it for 8-bit images.

      With --ocr tesseract reads the images too. CER and WER are the characters and words to \
      insert, delete or replace, as \
      a share of those read in the target; in the last row of all characters and words together. \
      The inputs' rates stand \
      beside them where --model restores, or --inputs names, the degraded images:

      restormer evaluate restored/ pages/val/target --ocr --inputs pages/val/input
      """)

  @Argument(help: "Folder of images to score.")
  var images: String

  @Argument(help: "Folder of the targets.")
  var targets: String

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Restore the images first: a weights file or the name of a bundled model.")
  var model: String?

  @OptionGroup var weightsOptions: WeightsOptions

  @Option(name: .long, help: "Folder of the right views, for a dual-pixel model.")
  var right: String?

  @Option(name: .long, help: "table, csv or json.")
  var format = ReportFormat.table

  @Flag(name: .long, help: "The same as --format json.")
  var json = false

  @Option(within: 0...10_000, help: "Pixels to leave out on every side.")
  var border = 0

  @Option(name: .long, help: "Also write an HTML page with the images, their targets and scores.")
  var report: String?

  @OptionGroup var statistics: LocalStatisticsOptions

  @OptionGroup var storage: PrecisionOptions

  @OptionGroup var reading: ReadingOptions

  @OptionGroup var device: DeviceOptions

  @OptionGroup var sharing: ShareOptions

  @OptionGroup var talk: TalkOptions

  func run() throws {
    guard right == nil || model != nil else {
      throw ValidationError("--right is for restoring first: --model is needed")
    }
    guard reading.inputs == nil || reading.ocr || report != nil else {
      throw ValidationError("--inputs is for reading and for reports: --ocr or --report is needed")
    }
    guard reading.inputs == nil || model == nil else {
      throw ValidationError("--inputs is for images that are restored: leave it or --model away")
    }
    noteLeftOut(in: [images, targets, right, reading.inputs])
    let remarks = RemarkNotes()
    let folder = try PairedFolder(
      input: images, target: targets, right: right, rule: .tolerant)
    let inputs = try degradedInputs(folder)
    var readability =
      reading.ocr ? try Readability(reading, readsInputs: inputs != nil) : nil
    let decisions = DecisionNotes()
    let read =
      try model.map { try makeRestorer($0, decisions) } ?? { pair, _ in
        (try Image(contentsOf: pair.input), nil)
      }
    let share = try sharing.share()
    let pairs = folder.pairs.enumerated().filter { share.takes($0.offset) }
    let page = try report.map {
      try ReportFile($0, source: images, count: pairs.count, border: border, share: share)
    }
    let interrupt = InterruptFlag("leaving after these images (once more to leave at once)")
    // What is wrong with the folders is the first process's to tell.
    var faults = (share.takes(0) ? folder.faults : []).enumerated().map {
      Numbered(number: $0.offset - folder.faults.count, value: $0.element)
    }
    var rows: [Numbered<EvaluationRow>] = []
    var depths = DepthNotes()
    var bar = ProgressLine()
    for (done, (index, pair)) in pairs.enumerated() {
      if interrupt.isSet { throw EvaluationFailure(description: "interrupted") }
      let name = pair.input.fileName
      let show = { (fraction: Double) in
        bar.update((Double(done) + fraction) / Double(pairs.count), name)
      }
      show(0)
      var pages: [(image: Image, source: String)] = []
      do {
        let ((image, decision), target) = (
          try read(pair, show), try Image(contentsOf: pair.target)
        )
        let row = try EvaluationRow(name: name, image, target, border: border)
        if model == nil { depths.add(name, image, target) }
        let degraded = try inputs.map { try Self.degraded(pair, $0) }
        try page?.add(
          name + (decision.map { " (\($0))" } ?? ""), number: index,
          ReportViews(before: degraded?.image, after: image, target: target))
        pages = [(image, pair.input), (target, pair.target)] + [degraded].compactMap { $0 }
        rows.append(Numbered(number: index, value: row))
      } catch {
        let isNamed = error is ImageError || error is EvaluationFailure
        let fault = isNamed ? oneLine(error) : "\(pair.input): \(oneLine(error))"
        faults.append(Numbered(number: index, value: fault))
        continue
      }
      try readability?.add(pages)
    }
    try readability?.finish()
    bar.clear()
    remarks.finish()
    depths.tell()
    decisions.tell()
    try page?.finish()
    for (index, errors) in (readability?.errors ?? []).enumerated() {
      rows[index].value.reading = errors
    }
    let all = try share.gathered(rows)
    let failed = try share.gathered(faults)
    let columns =
      EvaluationRow.columns
      + (reading.ocr ? Readability.columns(withInputs: inputs != nil) : [])
    if !all.isEmpty {
      let text = (json ? .json : format).text(all + [EvaluationRow(meanOf: all)], columns)
      Console.write(text)
    }
    try endBatch(failed, of: all.count + failed.count)
  }

  /// The degraded images by the bytes of their targets' paths, where they are known and wanted.
  private func degradedInputs(_ folder: PairedFolder) throws -> [[UInt8]: String]? {
    guard reading.ocr || report != nil else { return nil }
    let known =
      try model != nil
      ? folder
      : reading.inputs.map { try PairedFolder(input: $0, target: targets, rule: .tolerant) }
    return known.map { known in
      Dictionary(
        known.pairs.map { (Array($0.target.utf8), $0.input) },
        uniquingKeysWith: { first, _ in first }
      )
    }
  }

  private static func degraded(
    _ pair: PairedFolder.Pair, _ inputs: [[UInt8]: String]
  ) throws -> (image: Image, source: String) {
    guard let path = inputs[Array(pair.target.utf8)] else {
      throw EvaluationFailure(
        description: "\(pair.target): no degraded image of its name and size in --inputs")
    }
    return (try Image(contentsOf: path), path)
  }

  private func makeRestorer(_ path: String, _ decisions: DecisionNotes) throws -> PairReader {
    let weights = try ChosenModel(path, key: weightsOptions.paramKey).weights
    let opened = try device.open()
    Console.note("device: \(opened.name)")
    var options = RestoreOptions()
    options.localStatistics = statistics.localStatistics
    options.precision = storage.precision
    return try Self.makeReader(weights, options, decisions, on: opened.backend)
  }

  private static func makeReader(
    _ weights: ModelWeights, _ options: RestoreOptions, _ decisions: DecisionNotes,
    on backend: some Backend
  ) throws -> PairReader {
    let restorer = try Restorer(weights, on: backend, options: options)
    restorer.note = Console.note
    return { pair, progress in
      let restored = try restorer.restore(
        Image(contentsOf: pair.input), right: pair.right.map(Image.init(contentsOf:)),
        progress: progress)
      let decision = decisions.add(pair.input.fileName, restored.decision)
      return (restored.picture.quantized, decision)
    }
  }
}

/// Gives the image of a pair that is to be scored, with what was decided about it if not all of it
/// was restored, and says how much of the work is done.
private typealias PairReader = (PairedFolder.Pair, (Double) -> Void) throws -> (
  image: Image, decision: String?
)

/// An image cannot be restored or compared.
private struct EvaluationFailure: Error, CustomStringConvertible {
  let description: String
}

/// How scores are printed.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
  case table
  case csv
  case json

  /// The rows as bytes: names of files in CSV are those of the system.
  func text(_ rows: [EvaluationRow], _ columns: [String]) -> [UInt8] {
    switch self {
    case .table:
      var table = TextTable(["file"] + columns)
      for row in rows {
        table.add([row.name] + row.values.map { String(format: "%.4f", $0) })
      }
      return Array(Console.visible(table.lines.map { $0 + "\n" }.joined()).utf8)
    case .csv:
      let header = Array((["file"] + columns).joined(separator: ",").utf8)
      return rows.reduce(header + [newline]) { text, row in
        text + CSV.field(row.name) + Array(row.values.map { ",\($0)" }.joined().utf8) + [newline]
      }
    case .json:
      let objects = rows.map { row in
        let fields = zip(columns, row.values).map { name, value in
          "\"\(name)\": \(value.isFinite ? "\(value)" : "null")"
        }
        return "  {\"file\": \(jsonText(row.name)), \(fields.joined(separator: ", "))}"
      }
      return Array("[\n\(objects.joined(separator: ",\n"))\n]\n".utf8)
    }
  }
}

extension ReportFormat {
  private var newline: UInt8 { UInt8(ascii: "\n") }

  /// A string of JSON.
  private func jsonText(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let data = (try? encoder.encode(text.printable)) ?? Data("\"\"".utf8)
    return String(decoding: data, as: UTF8.self)
  }
}

/// The scores of one image, or their means.
struct EvaluationRow: Codable {
  /// The scores that every row has.
  static let columns = ["psnr", "ssim", "psnr_y", "ssim_y", "l1", "l2", "psnr_y8", "ssim_y8"]
  let name: String
  private let scores: [Double]
  /// The mistakes in reading the image, then the degraded input.
  var reading: [TextErrors] = []

  /// All numbers of the row.
  var values: [Double] { scores + reading.flatMap { [$0.characterRate, $0.wordRate] } }

  init(name: String, _ image: Image, _ target: Image, border: Int) throws {
    self.name = name
    let (image, target) = Image.inEqualChannels(image, target)
    let (luma, reference) = (Metrics.yChannel(image), Metrics.yChannel(target))
    let rounded = Metrics.yChannel(image, rounded: true)
    let roundedReference = Metrics.yChannel(target, rounded: true)
    scores = [
      try Metrics.psnr(image, target, border: border),
      try Metrics.ssim(image, target, border: border),
      try Metrics.psnr(luma, reference, border: border),
      try Metrics.ssim(luma, reference, border: border),
      try Metrics.l1(image, target, border: border),
      try Metrics.mse(image, target, border: border),
      try Metrics.psnr(rounded, roundedReference, border: border),
      try Metrics.ssim(rounded, roundedReference, border: border),
    ]
  }

  init(meanOf rows: [EvaluationRow]) {
    name = "mean"
    scores = Self.columns.indices.map { column in
      rows.reduce(0) { $0 + $1.scores[column] } / Double(max(1, rows.count))
    }
    // Short texts would weigh as much as long ones: errors and lengths are summed instead.
    reading = (rows.first?.reading ?? []).indices.map { index in
      rows.reduce(TextErrors()) { $0 + $1.reading[index] }
    }
  }
}
