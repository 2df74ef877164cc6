import Foundation

/// The files of one image before and after restoring.
public struct ComparedFiles: Sendable, Hashable {
  /// The name of the restored file.
  public let name: String
  /// The degraded image.
  public let before: String
  /// The restored image.
  public let after: String
  /// What it should be, if known.
  public let target: String?

  /// The images of two or three folders that have the same name, or two or three files; ordered by name, numbers in names
  /// by value.
  /// - Throws: `DataError` for empty folders, missing partners and unequal sizes; `ImageError` for files that are no images.
  public static func list(
    before: String, after: String, target: String? = nil
  ) throws -> [ComparedFiles] {
    let pairs = try PairedFolder(input: before, target: after).pairs
    let targets = try target.map { try PairedFolder(input: after, target: $0).pairs }
    let targetOf = Dictionary(
      uniqueKeysWithValues: (targets ?? []).map { ($0.input, $0.target) })
    return pairs.map {
      ComparedFiles(
        name: ($0.target as NSString).lastPathComponent, before: $0.input, after: $0.target,
        target: targetOf[$0.target])
    }.sorted { NaturalName($0.name) < NaturalName($1.name) }
  }

  /// The decoded images.
  /// - Throws: `ImageError`.
  public func views() throws -> ReportViews {
    ReportViews(
      before: try Image(contentsOf: before), after: try Image(contentsOf: after),
      target: try target.map(Image.init(contentsOf:)))
  }
}
