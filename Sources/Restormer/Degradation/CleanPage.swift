import Foundation

/// A clean image to make pairs from: a picture's file, or a page of a PDF.
package struct CleanPage: Sendable, CustomStringConvertible {
  /// The file.
  package let path: String
  /// The name of what is made from it: the file's without extension, and for a PDF the page,
  /// `manual-p07`.
  package let name: String
  /// The page of a PDF, counted from 1.
  package var pageNumber: Int? { pdf?.number }
  private var pdf: (file: PDFFile, number: Int)?

  /// The file, and the page of a PDF, for messages.
  package var description: String { pageNumber.map { "\(path), page \($0)" } ?? path }

  /// The pages of a file: one for a picture, all for a PDF.
  ///
  /// Pictures are not opened yet: their faults come from `image`.
  /// - Throws: `ImageError` and `ProgramError` as `PDFFile`.
  package static func list(_ path: String) throws -> [CleanPage] {
    let stem = path.fileStem
    guard isPDF(path) else { return [CleanPage(path: path, name: stem)] }
    let pdf = try PDFFile(contentsOf: path)
    return (1...pdf.pageCount).map {
      CleanPage(path: path, name: "\(stem)-p\(padded($0, of: pdf.pageCount))", pdf: (pdf, $0))
    }
  }

  /// Whether the file's name is that of a PDF.
  package static func isPDF(_ path: String) -> Bool {
    path.fileExtension.lowercased() == "pdf"
  }

  /// The picture, or the page at `dpi` pixels per inch.
  /// - Throws: `ImageError`, `ProgramError` for a page that cannot be rendered.
  package func image(dpi: Int) throws -> Image {
    try pdf.map { try $0.file.page($0.number, dpi: dpi) } ?? Image(contentsOf: path)
  }
}

/// A number with as many digits as the largest of its kind, so that names sort by it.
func padded(_ number: Int, of count: Int) -> String {
  let text = "\(number)"
  return String(repeating: "0", count: max(0, "\(count)".count - text.count)) + text
}
