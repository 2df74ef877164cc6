import ArgumentParser
import Foundation
import Restormer

/// `restormer degrade`: from clean pages to pairs of degraded and clean images.
struct DegradeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "degrade",
    abstract: "Makes degraded and clean pairs from clean images and PDFs.",
    discussion: """
      Example: restormer degrade Examples/page-sharp.png -o pairs --count 4 --crop 128

      OUT/input gets the degraded and OUT/target the clean images, as 'train --data' and \
      'evaluate' take them; \
      OUT/manifest.json says what was drawn for each. The same seed gives the same files: a \
      command that was broken off goes on where it stood. PDFs need pdftoppm (package \
      poppler-utils). A file that fails is reported at the end and does not stop the others.

      A recipe is 'document' (a phone's photograph of a page) or 'none', then what differs from \
      it, in quotes:

      restormer degrade Examples/page-sharp.png -o rain -r 'document rain=10-40@0.5 motion=off \
      sharp=0'

      motion=LENGTH and defocus=RADIUS, gaussian-blur=SIGMA in pixels; downscale=FACTOR; \
      noise=SIGMA and shot=SIGMA (at \
      white) in levels of 255; jpeg=QUALITY; rain=STREAKS for each 10,000 pixels. Each is a range \
      LOW-HIGH or a number, \
      @SHARE behind it the share of images that get it, or 'off'. sharp=SHARE stays sharp, with \
      the weakest noise only. \
      'document' is motion=3-9@0.5 defocus=0.8-3@0.95 gaussian-blur=0.4-1@0.1 \
      downscale=1.1-1.6@0.2 shot=1-4@0.2 \
      noise=0.5-5 jpeg=60-95@0.25 sharp=0.12.
      """)

  @Argument(help: "Clean images, PDFs, or folders of them.")
  var inputs: [String]

  @Option(name: [.short, .long], help: "Folder that gets 'input', 'target' and 'manifest.json'.")
  var output: String

  @Option(name: [.short, .long], help: "What is done to the images.")
  var recipe = DegradationRecipe.document.description

  @Option(name: [.short, .long], within: 1...100_000, help: "Pairs from each image or page.")
  var count = 1

  @Option(
    within: 8...8192, help: "Take a random square of so many pixels, where there is print.")
  var crop: Int?

  @Option(within: 0...Int.max, help: "Seed of every random choice.")
  var seed = 100

  @Option(within: 20...1200, help: "Pixels per inch of a PDF's pages.")
  var dpi = 110

  @Flag(name: .long, help: "Make gray pairs.")
  var gray = false

  @Flag(name: .long, help: "Replace pairs that exist.")
  var overwrite = false

  @OptionGroup var sharing: ShareOptions

  func run() throws {
    let writer = PairFolderWriter(
      folder: output, recipe: try DegradationRecipe(recipe), seed: UInt64(seed), count: count,
      crop: crop,
      dpi: dpi, gray: gray)
    let share = try sharing.share()
    let batch = DegradeBatch(inputs, writer: writer, overwrite: overwrite, share: share)
    let outcome = batch.isEmpty ? nil : try make(batch, share)
    let faults = batch.faults + (outcome?.faults ?? [])
    if !faults.isEmpty {
      let total = batch.count + batch.faults.count
      if total > 1 { Console.note("\(faults.count) of \(total) failed:") }
      for fault in faults { Console.note("error: \(fault)") }
    }
    if let code = outcome?.interruptCode {
      Console.note("interrupted; the same command goes on from here")
      throw ExitCode(code)
    }
    if !faults.isEmpty { throw ExitCode.failure }
  }

  /// Makes the pairs and their record.
  private func make(_ batch: DegradeBatch, _ share: FileShare) throws -> DegradeOutcome {
    let parts = ["input", "target"]
    var manifest = try DegradationManifest(at: "\(output)/manifest.json")
    for part in parts { try makeFolder("\(output)/\(part)") }
    // Of several ranks the first keeps the folder.
    let isKeeper = share.ranks?.isFirst ?? true
    let lock = isKeeper ? try FolderLock(output, shared: share.isShard) : nil
    if let lock, lock.isAlone { lock.removeUnfinishedFiles(in: parts + ["."]) }
    // What is about to be replaced must not be taken for what the record says.
    if overwrite, manifest.forget(batch.names), isKeeper {
      try share.isShard ? manifest.write(inTurnsOn: "\(output)/target") : manifest.write()
    }
    try share.meet()
    let outcome = try batch.run(manifest)
    // Only empty ones go.
    if isKeeper && !share.isShard { for part in parts { rmdir("\(output)/\(part)") } }
    let count = "\(grouped(outcome.pairs)) \(outcome.pairs == 1 ? "pair" : "pairs")"
    let old = outcome.oldPairs > 0 ? ", \(grouped(outcome.oldPairs)) there before" : ""
    Console.note("\(output): \(count)\(old)")
    return outcome
  }
}
