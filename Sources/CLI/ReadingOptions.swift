import ArgumentParser
import Foundation
import Restormer

/// The options of `evaluate` that concern reading the images' text.
struct ReadingOptions: ParsableArguments {
  @Flag(name: .long, help: "Read images and targets with tesseract and count the mistakes.")
  var ocr = false

  @Option(name: .long, help: "Folder of the degraded images, to be read and shown as well.")
  var inputs: String?

  @Option(name: .long, help: "Language of the text, as tesseract names it.")
  var ocrLanguage = "eng"

  @Option(within: 0...13, help: "Tesseract's page segmentation mode (--psm), 0 to 13.")
  var ocrLayout = 3
}

/// How well images can be read beside their targets, found out a few images at a time.
struct Readability {
  private let reader: TextReader
  private let readsInputs: Bool
  private var waiting: [TextReader.Page] = []
  /// For each pair the mistakes in the image, then those in the degraded input if that is read too.
  private(set) var errors: [[TextErrors]] = []

  init(_ options: ReadingOptions, readsInputs: Bool) throws {
    reader = try TextReader(language: options.ocrLanguage, layout: options.ocrLayout)
    self.readsInputs = readsInputs
  }

  /// Names of the columns of `errors`.
  static func columns(withInputs: Bool) -> [String] {
    ["cer", "wer"] + (withInputs ? ["cer_input", "wer_input"] : [])
  }

  private var pageCount: Int { readsInputs ? 3 : 2 }

  /// Adds a pair: the image, its target, and the degraded input.
  mutating func add(_ pages: [(image: Image, source: String)]) throws {
    precondition(pages.count == pageCount, "Readability: \(pages.count) images")
    for page in pages { waiting.append(try reader.page(page.image, from: page.source)) }
    // Several rounds for each worker: one long page does not keep the others waiting for long.
    if waiting.count >= 4 * reader.workers { try finish() }
  }

  /// Reads what is waiting.
  mutating func finish() throws {
    let texts = try reader.texts(of: waiting)
    waiting = []
    for start in stride(from: 0, to: texts.count, by: pageCount) {
      let read = [texts[start]] + (readsInputs ? [texts[start + 2]] : [])
      errors.append(read.map { TextErrors($0, against: texts[start + 1]) })
    }
  }
}
