import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer evaluate`: how close images are to their targets.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Scores images against targets of the same name: PSNR, SSIM, L1, L2.",
    discussion: """
      Example: restormer evaluate restored/ pages/val/target

      With --model the images are restored first, and rounded as 8-bit files would hold them. Values are in [0, 1]. The \
      columns with y are of the luma of BT.601: psnr_y and ssim_y as Python's BasicSR computes it, psnr_y8 and ssim_y8 \
      rounded to whole 8-bit levels, as MATLAB's rgb2ycbcr gives it for 8-bit images.
      """)

  @Argument(help: "Folder of images to score.")
  var images: String

  @Argument(help: "Folder of the targets.")
  var targets: String

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Restore the images with these weights first.")
  var model: String?

  @Option(name: .long, help: "Folder of the right views, for a dual-pixel model.")
  var right: String?

  @Option(name: .long, help: "table, csv or json.")
  var format = ReportFormat.table

  @Option(name: .long, help: "Pixels to leave out on every side.")
  var border = 0

  @OptionGroup var device: DeviceOptions

  func run() throws {
    guard (0...10_000).contains(border) else {
      throw ValidationError("--border \(border): expected 0 or more")
    }
    guard right == nil || model != nil else {
      throw ValidationError("--right is for restoring first: --model is needed")
    }
    let folder = try PairedFolder(input: images, target: targets, right: right)
    let read = try model.map { try makeRestorer($0) } ?? { try Image(contentsOf: $0.input) }
    var rows: [EvaluationRow] = []
    for pair in folder.pairs {
      do {
        rows.append(
          try EvaluationRow(
            name: (pair.input as NSString).lastPathComponent, try read(pair),
            try Image(contentsOf: pair.target), border: border))
      } catch let error as MetricsError {
        throw EvaluationFailure(description: "\(pair.input): \(error)")
      } catch let error as RestoreError {
        throw EvaluationFailure(description: "\(pair.input): \(error)")
      }
    }
    for line in format.lines(rows + [EvaluationRow(meanOf: rows)]) { Console.print(line) }
  }

  private func makeRestorer(_ path: String) throws -> (PairedFolder.Pair) throws -> Image {
    let weights = try ModelWeights(contentsOf: path)
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
      let right = try pair.right.map(Image.init(contentsOf:))
      return try restorer.restore(Image(contentsOf: pair.input), right: right).quantized
    }
  }
}

/// How scores are printed.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
  case table
  case csv
  case json

  func lines(_ rows: [EvaluationRow]) -> [String] {
    switch self {
    case .table:
      var table = TextTable(["file"] + EvaluationRow.columns)
      for row in rows {
        table.add([row.name] + row.values.map { String(format: "%.4f", $0) })
      }
      return table.lines
    case .csv:
      return [(["file"] + EvaluationRow.columns).joined(separator: ",")]
        + rows.map { ([csvField($0.name)] + $0.values.map { "\($0)" }).joined(separator: ",") }
    case .json:
      let objects = rows.map { row in
        let fields = zip(EvaluationRow.columns, row.values).map { name, value in
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
  static let columns = ["psnr", "ssim", "psnr_y", "ssim_y", "l1", "l2", "psnr_y8", "ssim_y8"]
  let name: String
  let values: [Double]

  init(name: String, _ image: Image, _ target: Image, border: Int) throws {
    self.name = name
    let (luma, reference) = (Metrics.yChannel(image), Metrics.yChannel(target))
    let rounded = Metrics.yChannel(image, rounded: true)
    let roundedReference = Metrics.yChannel(target, rounded: true)
    values = [
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
    values = Self.columns.indices.map { column in
      rows.reduce(0) { $0 + $1.values[column] } / Double(max(1, rows.count))
    }
  }
}
