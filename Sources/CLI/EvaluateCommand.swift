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

      With --model the images are restored first. Scores are of 8-bit images in [0, 1]; the Y columns are of the luma of \
      BT.601 as the field's MATLAB scripts use it.
      """)

  @Argument(help: "Folder of images to score.")
  var images: String

  @Argument(help: "Folder of the targets.")
  var targets: String

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Restore the images with these weights first.")
  var model: String?

  @Option(name: .long, help: "table, csv or json.")
  var format = ReportFormat.table

  @Option(name: .long, help: "Pixels to leave out on every side.")
  var border = 0

  @OptionGroup var device: DeviceOptions

  func run() throws {
    guard (0...10_000).contains(border) else {
      throw ValidationError("--border \(border): expected 0 or more")
    }
    let folder = try PairedFolder(input: images, target: targets)
    let restore = try model.map { try makeRestorer($0) } ?? { $0 }
    var rows: [EvaluationRow] = []
    for pair in folder.pairs {
      let image = try restore(Image(contentsOf: pair.input)).quantized
      let target = try Image(contentsOf: pair.target)
      do {
        rows.append(
          try EvaluationRow(
            name: (pair.input as NSString).lastPathComponent, image, target, border: border))
      } catch let error as MetricsError {
        throw MetricsFailure(description: "\(pair.input): \(error)")
      }
    }
    for line in format.lines(rows + [EvaluationRow(meanOf: rows)]) { Console.print(line) }
  }

  private func makeRestorer(_ path: String) throws -> (Image) throws -> Image {
    let weights = try ModelWeights(contentsOf: path)
    let opened = try device.open()
    Console.note("device: \(opened.name)")
    return try opened.accept(RestoringVisitor(weights: weights))
  }
}

/// Two images cannot be compared.
private struct MetricsFailure: Error, CustomStringConvertible {
  let description: String
}

private struct RestoringVisitor: BackendVisitor {
  let weights: ModelWeights

  func visit<B: Backend>(_ backend: B) throws -> (Image) throws -> Image {
    let restorer = try Restorer(weights, on: backend)
    return { try restorer.restore($0) }
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
        + rows.map { ([$0.name] + $0.values.map { "\($0)" }).joined(separator: ",") }
    case .json:
      let objects = rows.map { row in
        let fields = zip(EvaluationRow.columns, row.values).map { name, value in
          "\"\(name)\": \(value.isFinite ? "\(value)" : "null")"
        }
        return "  {\"file\": \"\(row.name)\", \(fields.joined(separator: ", "))}"
      }
      return ["["] + [objects.joined(separator: ",\n")] + ["]"]
    }
  }
}

/// The scores of one image, or their means.
struct EvaluationRow {
  static let columns = ["psnr", "ssim", "psnr_y", "ssim_y", "l1", "l2"]
  let name: String
  let values: [Double]

  init(name: String, _ image: Image, _ target: Image, border: Int) throws {
    self.name = name
    let (luma, reference) = (Metrics.yChannel(image), Metrics.yChannel(target))
    values = [
      try Metrics.psnr(image, target, border: border),
      try Metrics.ssim(image, target, border: border),
      try Metrics.psnr(luma, reference, border: border),
      try Metrics.ssim(luma, reference, border: border),
      try Metrics.l1(image, target, border: border),
      try Metrics.mse(image, target, border: border),
    ]
  }

  init(meanOf rows: [EvaluationRow]) {
    name = "mean"
    values = Self.columns.indices.map { column in
      rows.reduce(0) { $0 + $1.values[column] } / Double(max(1, rows.count))
    }
  }
}
