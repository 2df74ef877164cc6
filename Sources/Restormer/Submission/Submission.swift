/// A competition's CSV made from images, one after the other: memory for one image and a buffer.
package struct Submission {
  private let images: [SubmissionImage]
  private let format: SubmissionFormat
  private let order: SampleOrder?

  /// What was written.
  package struct Summary: Sendable {
    /// Rows below the header.
    package var rows = 0
    /// The errors of the written values, if there were targets.
    package var score: SubmissionScore?
  }

  /// Prepares a submission; a sample's ids are checked now, before anything is restored.
  /// - Throws: `SubmissionError` naming the sample's line for the first id that does not fit.
  package init(
    _ images: [SubmissionImage], format: SubmissionFormat, sample: SampleSubmission? = nil
  ) throws {
    precondition(!images.isEmpty, "Submission: no images")
    (self.images, self.format) = (images, format)
    order = try sample.map { try SampleOrder($0, images: images, format: format) }
  }

  /// Writes the file: whole, or not at all.
  ///
  /// - Parameters:
  ///   - path: the file, which is replaced.
  ///   - restore: gives the image whose values are written; they are clamped to [0, 1]. It is
  ///     called once for each.
  /// - Throws: what `restore` throws, `FileError`, `ImageError` for a target, and `SubmissionError`
  ///   for a result of another size.
  package func write(
    to path: String, restore: @escaping (SubmissionImage) throws -> Image
  ) throws -> Summary {
    let writer = try RowWriter(path: path)
    var pass = SubmissionPass(format: format, writer: writer, restore: restore)
    if let order {
      try writer.append(order.sample.header + Array("\n".utf8))
      try pass.write(order)
    } else {
      try writer.append(Array((format.form == .pixels ? "id,value\n" : "id,values\n").utf8))
      for image in images {
        try pass.write(pass.values(of: image), of: image, firstIndex: format.firstIndex ?? 1)
      }
    }
    try writer.commit()
    return pass.summary
  }
}

/// The writing of one file.
private struct SubmissionPass {
  let format: SubmissionFormat
  let writer: RowWriter
  let restore: (SubmissionImage) throws -> Image
  var summary = Submission.Summary()

  /// The gray values of the restored image in steps of the last digit; its score is taken on the
  /// way.
  mutating func values(of image: SubmissionImage) throws -> [Int32] {
    let restored = try restore(image)
    guard restored.width == image.width, restored.height == image.height else {
      throw SubmissionError(
        "\(image.path): its result has \(restored.width)x\(restored.height) pixels, "
          + "expected \(image.width)x\(image.height)")
    }
    let values = format.steps(restored.grayValues)
    if let target = image.target {
      var score = summary.score ?? SubmissionScore()
      score.add(values, against: try Image(contentsOf: target).grayValues, format)
      summary.score = score
    }
    return values
  }

  mutating func write(_ values: [Int32], of image: SubmissionImage, firstIndex: Int) throws {
    let name = CSVField(image.name)
    switch format.form {
    case .pixels:
      for row in 0..<image.height {
        let start = name.opening + Array("_\(row + firstIndex)_".utf8)
        for column in 0..<image.width {
          try writer.append(start)
          try writer.append(column + firstIndex)
          try writer.append(name.closing)
          try writer.append(UInt8(ascii: ","))
          try writer.append(Int(values[row * image.width + column]), decimals: format.decimals)
          try writer.append(UInt8(ascii: "\n"))
        }
      }
      summary.rows += values.count
    case .image:
      try writer.append(name.opening + name.closing + Array(",".utf8))
      try writeLine(values)
    }
  }

  /// Rows in the order of the sample. An image is restored when its first row comes and forgotten
  /// after its last.
  mutating func write(_ order: SampleOrder) throws {
    var known: [Int: [Int32]] = [:]
    // A lookup for every row would cost more than the row: that of the row before is kept.
    var (current, values) = (-1, [Int32]())
    try order.forEachPlace { place in
      if place.image != current {
        current = place.image
        values = try known[current] ?? self.values(of: order.images[current])
        known[current] = values
      }
      try writer.append(place.row.field)
      try writer.append(UInt8(ascii: ","))
      switch format.form {
      case .pixels:
        try writer.append(Int(values[place.pixel]), decimals: format.decimals)
        try writer.append(UInt8(ascii: "\n"))
        summary.rows += 1
      case .image: try writeLine(values)
      }
      if place.row.line == order.lastLines[current] {
        known[current] = nil
        (current, values) = (-1, [])
      }
    }
  }

  private mutating func writeLine(_ values: [Int32]) throws {
    for (index, value) in values.enumerated() {
      if index > 0 { try writer.append(UInt8(ascii: " ")) }
      try writer.append(Int(value), decimals: format.decimals)
    }
    try writer.append(UInt8(ascii: "\n"))
    summary.rows += 1
  }
}

/// A name as a field of RFC 4180, open at its end so that more can be added: in quotes where it
/// needs them.
private struct CSVField {
  let opening: [UInt8]
  let closing: [UInt8]

  init(_ name: String) {
    let field = CSV.field(name)
    let isQuoted = field.first == CSV.quote && field != name.systemBytes
    opening = isQuoted ? Array(field.dropLast()) : field
    closing = isQuoted ? [CSV.quote] : []
  }
}
