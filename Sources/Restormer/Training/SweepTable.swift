import Foundation

/// The runs of a sweep with their scores, the best first, for spreadsheets and for readers.
struct SweepTable {
  let name: String
  let keys: [String]
  /// In the order of the table.
  let results: [SweepResult]

  init(name: String, keys: [String], results: [SweepResult]) {
    (self.name, self.keys) = (name, keys)
    // Runs without a score come last, in the order of the grid.
    func rank(_ result: SweepResult) -> Double { result.last?.scores.psnr ?? -.infinity }
    self.results = results.enumerated().sorted {
      (-rank($0.element), $0.offset) < (-rank($1.element), $1.offset)
    }.map(\.element)
  }

  private static let scoreColumns = [
    "steps", "psnr", "ssim", "l1", "l2", "best_psnr", "best_step", "seconds", "state",
  ]

  /// Rows of RFC 4180.
  var csv: String {
    let rows = results.map { result in
      ([result.run.name] + result.run.values.map(\.value) + Self.fields(result)).map(Self.quoted)
    }
    let header = ["run"] + keys + Self.scoreColumns
    return ([header] + rows).map { $0.joined(separator: ",") + "\n" }.joined()
  }

  private static func fields(_ result: SweepResult) -> [String] {
    let (last, best) = (result.last, result.best)
    let scores = last.map { [$0.scores.psnr, $0.scores.ssim, $0.scores.l1, $0.scores.l2] }
    return ["\(last?.step ?? 0)"] + (scores?.map { "\($0)" } ?? Array(repeating: "", count: 4)) + [
      best.map { "\($0.scores.psnr)" } ?? "", best.map { "\($0.step)" } ?? "",
      String(format: "%.1f", result.seconds), result.state.text,
    ]
  }

  private static func quoted(_ field: String) -> String {
    // By bytes: a lone line feed is another character than the one of "\r\n".
    guard field.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return field }
    return "\"\(field.replacing("\"", with: "\"\""))\""
  }

  /// A page of Markdown with the table and the plot, which lies beside it under the name `plot`.
  func markdown(plot: String) -> String {
    let header =
      keys + [
        "PSNR (dB)", "SSIM", "L1", "L2", "best PSNR", "at step", "time", "state",
      ]
    var lines = ["# \(name)", "", "Scores of the last validation, the best run first.", ""]
    lines.append(Self.row(header))
    lines.append(Self.row(header.map { keys.contains($0) || $0 == "state" ? "---" : "---:" }))
    for (index, result) in results.enumerated() {
      lines.append(Self.row(Self.cells(result, isBest: index == 0 && result.last != nil)))
    }
    return (lines + ["", "![Validation PSNR over the steps](\(plot))", ""]).joined(separator: "\n")
  }

  private static func cells(_ result: SweepResult, isBest: Bool) -> [String] {
    let scores = result.last.map {
      zip([2, 4, 4, 5], [$0.scores.psnr, $0.scores.ssim, $0.scores.l1, $0.scores.l2]).map {
        String(format: "%.\($0)f", $1)
      }
    }
    var cells = scores ?? Array(repeating: "", count: 4)
    if isBest { cells[0] = "**\(cells[0])**" }
    cells += [
      result.best.map { String(format: "%.2f", $0.scores.psnr) } ?? "",
      result.best.map { "\($0.step)" } ?? "", time(result.seconds), result.state.text,
    ]
    return result.run.values.map(\.value) + cells
  }

  private static func time(_ seconds: Double) -> String {
    seconds < 60 ? String(format: "%.0f s", seconds) : String(format: "%.1f min", seconds / 60)
  }

  private static func row(_ cells: [String]) -> String {
    "| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |"
  }
}

extension SweepResult.State {
  /// The state in a table.
  var text: String {
    switch self {
    case .waiting: "waiting"
    case .stopped(let step): "stopped after step \(step)"
    case .finished: "finished"
    case .failed(let reason): "failed: \(reason)"
    }
  }
}
