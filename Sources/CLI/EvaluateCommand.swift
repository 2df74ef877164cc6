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

      With --model the images are restored first, and rounded as 8-bit files would hold them. Values are in [0, 1]. The \
      columns with y are of the luma of BT.601: psnr_y and ssim_y as Python's BasicSR computes it, psnr_y8 and ssim_y8 \
      rounded to whole 8-bit levels, as MATLAB's rgb2ycbcr gives it for 8-bit images.

      With --ocr tesseract reads the images too. CER and WER are the characters and words to insert, delete or replace, as \
      a share of those read in the target; in the last row of all characters and words together. The inputs' rates stand \
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

  @Option(name: .long, help: "Pixels to leave out on every side.")
  var border = 0

  @Option(name: .long, help: "Also write an HTML page with the images, their targets and scores.")
  var report: String?

  @OptionGroup var reading: ReadingOptions

  @OptionGroup var device: DeviceOptions

  func run() throws {
    guard (0...10_000).contains(border) else {
      throw ValidationError("--border \(border): expected 0 or more")
    }
    guard right == nil || model != nil else {
      throw ValidationError("--right is for restoring first: --model is needed")
    }
    guard reading.inputs == nil || reading.ocr || report != nil else {
      throw ValidationError("--inputs is for reading and for reports: --ocr or --report is needed")
    }
    guard reading.inputs == nil || model == nil else {
      throw ValidationError("--inputs is for images that are restored: leave it or --model away")
    }
    let folder = try PairedFolder(input: images, target: targets, right: right)
    let inputs = try degradedInputs(folder)
    var readability =
      reading.ocr ? try Readability(reading, readsInputs: inputs != nil) : nil
    let read = try model.map { try makeRestorer($0) } ?? { try Image(contentsOf: $0.input) }
    let page = try report.map {
      try ReportFile($0, source: images, count: folder.pairs.count, border: border)
    }
    let interrupt = InterruptFlag("leaving after these images (once more to leave at once)")
    var rows: [EvaluationRow] = []
    var bar = ProgressLine()
    for (index, pair) in folder.pairs.enumerated() {
      if interrupt.isSet { throw EvaluationFailure(description: "interrupted") }
      let name = (pair.input as NSString).lastPathComponent
      bar.update(Double(index) / Double(folder.pairs.count), name)
      do {
        let (image, target) = (try read(pair), try Image(contentsOf: pair.target))
        rows.append(try EvaluationRow(name: name, image, target, border: border))
        let degraded = try inputs.map { (try Image(contentsOf: $0[index]), $0[index]) }
        try readability?.add(
          [(image, pair.input), (target, pair.target)] + [degraded].compactMap { $0 })
        try page?.add(name, ReportViews(before: degraded?.0, after: image, target: target))
      } catch let error as MetricsError {
        throw EvaluationFailure(description: "\(pair.input): \(error)")
      } catch let error as RestoreError {
        throw EvaluationFailure(description: "\(pair.input): \(error)")
      }
    }
    try readability?.finish()
    bar.clear()
    try page?.finish()
    for (index, errors) in (readability?.errors ?? []).enumerated() { rows[index].reading = errors }
    let columns =
      EvaluationRow.columns
      + (reading.ocr ? Readability.columns(withInputs: inputs != nil) : [])
    for line in format.lines(rows + [EvaluationRow(meanOf: rows)], columns) { Console.print(line) }
  }

  /// The degraded images, one for each pair, where they are known and wanted.
  private func degradedInputs(_ folder: PairedFolder) throws -> [String]? {
    guard reading.ocr || report != nil else { return nil }
    if model != nil { return folder.pairs.map(\.input) }
    return try reading.inputs.map {
      try PairedFolder(input: $0, target: targets).pairs.map(\.input)
    }
  }

  private func makeRestorer(_ path: String) throws -> (PairedFolder.Pair) throws -> Image {
    let weights = try ChosenModel(path, key: weightsOptions.paramKey).weights
    let opened = try device.open()
    Console.note("device: \(opened.name)")
    return try opened.accept(RestoringVisitor(weights: weights))
  }
}

/// An image cannot be restored or compared.
private struct EvaluationFailure: Error, CustomStringConvertible {
  let description: String
}

private struct RestoringVisitor: BackendVisitor {
  let weights: ModelWeights

  func visit<B: Backend>(_ backend: B) throws -> (PairedFolder.Pair) throws -> Image {
    let restorer = try Restorer(weights, on: backend)
    return { pair in
      let image = try Image(contentsOf: pair.input)
      let restored = try restorer.restore(
        image, right: try pair.right.map(Image.init(contentsOf:)))
      return (weights.leavesAlone(image, restored: restored) ? image : restored).quantized
    }
  }
}

/// How scores are printed.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
  case table
  case csv
  case json

  func lines(_ rows: [EvaluationRow], _ columns: [String]) -> [String] {
    switch self {
    case .table:
      var table = TextTable(["file"] + columns)
      for row in rows {
        table.add([row.name] + row.values.map { String(format: "%.4f", $0) })
      }
      return table.lines
    case .csv:
      return [(["file"] + columns).joined(separator: ",")]
        + rows.map { ([csvField($0.name)] + $0.values.map { "\($0)" }).joined(separator: ",") }
    case .json:
      let objects = rows.map { row in
        let fields = zip(columns, row.values).map { name, value in
          "\"\(name)\": \(value.isFinite ? "\(value)" : "null")"
        }
        return "  {\"file\": \(jsonText(row.name)), \(fields.joined(separator: ", "))}"
      }
      return ["["] + [objects.joined(separator: ",\n")] + ["]"]
    }
  }
}

extension ReportFormat {
  /// A field of RFC 4180: in quotes where it needs them.
  private func csvField(_ text: String) -> String {
    guard text.contains(where: { ",\"\r\n".contains($0) }) else { return text }
    return "\"\(text.replacing("\"", with: "\"\""))\""
  }

  /// A string of JSON.
  private func jsonText(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let data = (try? encoder.encode(text)) ?? Data("\"\"".utf8)
    return String(decoding: data, as: UTF8.self)
  }
}

/// The scores of one image, or their means.
struct EvaluationRow {
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
