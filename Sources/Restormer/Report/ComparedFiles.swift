import Foundation

/// The files of one image before and after restoring.
package struct ComparedFiles: Sendable, Hashable {
  /// The name of the restored file.
  package let name: String
  /// The degraded image.
  package let before: String
  /// The restored image.
  package let after: String
  /// What it should be, if known.
  package let target: String?

  /// The images of folders, and what is wrong with those that were passed over, one line each.
  package typealias List = (files: [ComparedFiles], faults: [String])

  /// The images of two or three folders that have the same name, or two or three files; ordered by
  /// name, numbers in names by value.
  /// - Throws: `DataError` for empty folders and where no image has what it needs: partners of its
  ///   size.
  package static func list(
    before: String, after: String, target: String? = nil
  ) throws -> List {
    let folder = try PairedFolder(input: before, target: after, rule: .tolerant)
    let targets = try target.map {
      try PairedFolder(input: after, target: $0, rule: .tolerant)
    }
    let targetOf = targets?.targetOfInput
    let files = folder.pairs.compactMap { pair -> ComparedFiles? in
      let target = targetOf?[Array(pair.target.utf8)]
      if targetOf != nil, target == nil { return nil }
      return ComparedFiles(
        name: pair.target.fileName, before: pair.input, after: pair.target, target: target)
    }
    var faults = folder.faults
    for fault in targets?.faults ?? [] where !faults.contains(fault) { faults.append(fault) }
    if files.isEmpty, let fault = faults.first { throw DataError(fault) }
    return (files.sorted { NaturalName($0.name) < NaturalName($1.name) }, faults)
  }

  /// The decoded images.
  /// - Throws: `ImageError`.
  package func views() throws -> ReportViews {
    ReportViews(
      before: try Image(contentsOf: before), after: try Image(contentsOf: after),
      target: try target.map(Image.init(contentsOf:)))
  }
}
