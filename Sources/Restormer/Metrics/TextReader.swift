import Foundation
import Kernels

/// Reads the text of images with tesseract, several at a time.
package struct TextReader: Sendable {
  /// An image that waits to be read.
  package struct Page: Sendable {
    fileprivate let file: String
    fileprivate let source: String
  }

  /// How many images are read at a time.
  package let workers: Int
  private let program: InstalledProgram
  private let folder: TemporaryFolder
  private let language: String
  private let layout: Int
  private let patience: Double

  /// Finds tesseract.
  ///
  /// - Parameters:
  ///   - language: of the text, as tesseract names it; several are joined by `+`.
  ///   - layout: tesseract's page segmentation mode, 0 to 13.
  ///   - patience: seconds that one image may take.
  /// - Throws: `ProgramError` when it is not installed.
  package init(language: String = "eng", layout: Int = 3, patience: Double = 300) throws {
    program = try InstalledProgram("tesseract", package: "tesseract-ocr")
    folder = try TemporaryFolder()
    (self.language, self.layout, self.patience) = (language, layout, patience)
    workers = WorkerThreads.count
  }

  /// Puts an image where tesseract finds it, as 8 bits without the notes of its file: images of one
  /// page are to differ in their pixels alone.
  /// - Parameters:
  ///   - image: the picture of text.
  ///   - source: its name, for errors.
  /// - Throws: `ImageError` when there is no room for it.
  package func page(_ image: Image, from source: String) throws -> Page {
    let page = Page(file: folder.newFile(".png"), source: source)
    try Image(
      width: image.width, height: image.height, channels: image.channels, pixels: image.pixels,
      alpha: image.alpha
    ).write(to: page.file, format: .png)
    return page
  }

  /// The texts of `pages`, in their order; the pages are then gone.
  /// - Throws: `ProgramError` for the first page that tesseract fails on.
  package func texts(of pages: [Page]) throws -> [String] {
    try concurrently(pages, workers: workers) { page in
      defer { unlink(page.file) }
      return try text(of: page)
    }
  }

  private func text(of page: Page) throws -> String {
    // Each tesseract keeps to one thread: its own threads gain little and would fight over the
    // cores.
    try program.run(
      [page.file, "stdout", "-l", language, "--psm", "\(layout)"], on: page.source,
      environment: ["OMP_THREAD_LIMIT": "1"], in: folder, seconds: patience)
  }
}
