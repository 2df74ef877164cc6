import Foundation

/// A PDF whose pages become images by way of poppler's programs `pdfinfo` and `pdftoppm`.
package struct PDFFile: Sendable {
  /// The file.
  package let path: String
  /// How many pages it has.
  package let pageCount: Int
  private let render: InstalledProgram
  private let folder: TemporaryFolder
  /// How poppler is told of the file.
  private let document: String

  /// Seconds that one page may take: far more than any needs that is meant for paper.
  private static let patience = 120.0
  private static let package = "poppler-utils"

  /// Opens the file and counts its pages.
  /// - Throws: `ImageError` when it cannot be read or is no PDF; `ProgramError` when poppler's
  ///   programs are not installed or cannot read it.
  package init(contentsOf path: String) throws {
    let data: Data
    do {
      data = try mappedFile(path)
    } catch {
      throw ImageError(path: path, fault: "cannot \(error.operation): \(error.reason)")
    }
    guard data.prefix(1024).range(of: Data("%PDF-".utf8)) != nil else {
      throw ImageError(path: path, fault: "not a PDF file")
    }
    self.path = path
    render = try InstalledProgram("pdftoppm", package: Self.package)
    folder = try TemporaryFolder()
    document = path.isUTF8Name ? Self.absolute(path) : try Self.link(to: path, in: folder)
    let facts = try InstalledProgram("pdfinfo", package: Self.package).run(
      [document], on: path, environment: ["LC_ALL": "C"], in: folder,
      seconds: Self.patience)
    let count = facts.split(whereSeparator: \.isNewline).first { $0.hasPrefix("Pages:") }
      .flatMap { Int($0.dropFirst(6).trimmingCharacters(in: .whitespaces)) }
    guard let count, count > 0 else { throw ImageError(path: path, fault: "a PDF without pages") }
    pageCount = count
  }

  /// Page `number`, counted from 1, at `dpi` pixels per inch.
  /// - Throws: `ProgramError` when it cannot be rendered; `ImageError` when the result is no image.
  package func page(_ number: Int, dpi: Int) throws -> Image {
    let root = folder.newFile()
    defer { unlink(root + ".png") }
    try render.run(
      [
        "-png", "-singlefile", "-r", "\(dpi)", "-f", "\(number)", "-l", "\(number)",
        document, root,
      ], on: "\(path), page \(number)", in: folder, seconds: Self.patience)
    do {
      return try Image(contentsOf: root + ".png")
    } catch {
      throw ImageError(path: path, fault: "page \(number) came out as no image: \(error.fault)")
    }
  }

  /// A path that cannot be taken for an option.
  private static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }

  /// A link to a file whose name is no text, as the arguments of a program have to be.
  private static func link(to path: String, in folder: TemporaryFolder) throws -> String {
    guard let real = realpath(path.systemPath, nil) else {
      throw ImageError(path: path, fault: "cannot open: \(String(cString: strerror(errno)))")
    }
    defer { free(real) }
    let link = folder.newFile(".pdf")
    guard symlink(real, link) == 0 else { throw FileError.last("create", link) }
    return link
  }
}
