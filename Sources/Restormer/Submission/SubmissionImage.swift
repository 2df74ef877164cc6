import Foundation

/// One image of a submission.
package struct SubmissionImage: Sendable, Hashable {
  /// The file's name without extension: the first part of its ids.
  package let name: String
  /// The file.
  package let path: String
  /// The image to score against, if there is one.
  package let target: String?
  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int

  /// The images of a folder by name, numbers in names by value: `2` before `10`. One file is taken
  /// too.
  ///
  /// - Parameters:
  ///   - input: the folder or file.
  ///   - targets: images of the same names and sizes to score against.
  /// - Throws: `DataError` for an empty folder, missing partners and unequal sizes; `ImageError`
  ///   for a file that is no image.
  package static func list(_ input: String, targets: String? = nil) throws -> [SubmissionImage] {
    let folder =
      try targets.map { try PairedFolder(input: input, target: $0) }
      ?? PairedFolder(clean: input)
    return try folder.pairs.map { pair in
      let header = try Image.header(of: pair.input)
      return SubmissionImage(
        name: pair.input.fileStem, path: pair.input,
        target: targets == nil ? nil : pair.target, width: header.width, height: header.height)
    }.sorted { NaturalName($0.name) < NaturalName($1.name) }
  }
}

/// A name ordered as people count: runs of digits compare by value.
struct NaturalName: Comparable {
  private let name: String
  private let parts: [Part]

  private enum Part: Equatable {
    case text(Substring)
    /// Digits without leading zeros: the longer run is the larger number, however long both are.
    case number(Substring)
  }

  init(_ name: String) {
    self.name = name
    var (parts, rest) = ([Part](), name[...])
    while let first = rest.first {
      let isDigit = Self.isDigit(first)
      let run = rest.prefix { Self.isDigit($0) == isDigit }
      parts.append(isDigit ? .number(run.drop { $0 == "0" }) : .text(run))
      rest = rest[run.endIndex...]
    }
    self.parts = parts
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

  static func < (a: NaturalName, b: NaturalName) -> Bool {
    for (x, y) in zip(a.parts, b.parts) where x != y {
      switch (x, y) {
      case (.number(let p), .number(let q)): return (p.count, p) < (q.count, q)
      case (.text(let p), .text(let q)): return p < q
      case (.number, .text): return true
      case (.text, .number): return false
      }
    }
    return (a.parts.count, a.name) < (b.parts.count, b.name)
  }
}

extension Image {
  /// The gray values, row by row: of a colour image the luma 0.299 R + 0.587 G + 0.114 B of BT.601
  /// in full range.
  package var grayValues: [Float] {
    guard channels == 3 else { return pixels }
    let plane = width * height
    return [Float](unsafeUninitializedCapacity: plane) { gray, count in
      pixels.withUnsafeBufferPointer { rgb in
        for i in 0..<plane {
          gray[i] = 0.299 * rgb[i] + 0.587 * rgb[i + plane] + 0.114 * rgb[i + 2 * plane]
        }
      }
      count = plane
    }
  }
}
