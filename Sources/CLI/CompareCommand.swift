import ArgumentParser
import Foundation
import Restormer

/// `restormer compare`: images before and after restoring, on a page to look at.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Shows images before and after restoring on an HTML page, the worst first.",
    discussion: """
      Example: restormer compare Examples/page-blurred.png Examples/page-sharp.png -o report.html

      The page is one file and opens from disk without a network: a slider between the images, \
      zoom, both side by side, \
      and with --target the scores of each image, the change against before, and orders to sort \
      by. Folders are matched by \
      name, the extension may differ. An image that cannot be compared is named at the end and \
      does not stop the others.

      Images are stored exactly as long as the page stays below --limit; those of larger batches \
      as JPEG or smaller. Scores \
      are always of the files themselves.
      """)

  @Argument(help: "Folder of degraded images, or one image.")
  var before: String

  @Argument(help: "Folder of restored images of the same names, or one image.")
  var after: String

  @Option(name: .long, help: "Folder of targets of the same names, or one image: adds scores.")
  var target: String?

  @Option(name: [.short, .long], help: "The page to write.")
  var output: String

  @Option(within: 1...2000, help: "Megabytes of the page at most.")
  var limit = ComparisonReport.defaultLimit / 1_000_000

  @OptionGroup var talk: TalkOptions

  func run() throws {
    noteLeftOut(in: [before, after, target])
    let remarks = RemarkNotes()
    var (files, faults) = try ComparedFiles.list(before: before, after: after, target: target)
    let count = files.count + faults.count
    let report = try ReportFile(
      output, source: "\(before) → \(after)", count: files.count, limit: limit * 1_000_000)
    let interrupt = InterruptFlag("leaving after this image (once more to leave at once)")
    var bar = ProgressLine()
    for (index, file) in files.enumerated() {
      if interrupt.isSet { throw CompareFailure(description: "interrupted, nothing was written") }
      bar.update(
        Double(index) / Double(files.count), "\(index + 1)/\(files.count) \(file.name)")
      do {
        try report.add(file.name, number: index, file.views())
      } catch let error as MetricsError {
        faults.append("\(file.after): \(error)")
      } catch let error as ImageError {
        faults.append(oneLine(error))
      }
    }
    bar.clear()
    remarks.finish()
    try report.finish()
    if let means = report.means { printMeans(means) }
    try endBatch(faults, of: count)
  }

  private func printMeans(_ means: (before: Scores?, after: Scores)) {
    var table = TextTable(["mean", "psnr", "ssim", "l1", "l2"])
    for (name, scores) in [("before", means.before), ("after", means.after)] {
      guard let scores else { continue }
      table.add(
        [name]
          + [scores.psnr, scores.ssim, scores.l1, scores.l2].map { String(format: "%.4f", $0) })
    }
    for line in table.lines { Console.print(line) }
  }
}

/// Images that cannot be compared.
private struct CompareFailure: Error, CustomStringConvertible {
  let description: String
}
