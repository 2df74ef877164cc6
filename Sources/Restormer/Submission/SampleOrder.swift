import Foundation

/// The ids of a sample understood as images and pixels, each checked to be there once.
struct SampleOrder {
  let sample: SampleSubmission
  let images: [SubmissionImage]
  let form: SubmissionFormat.Form
  /// The number of the first row and column.
  let firstIndex: Int
  /// The last line on which each image is needed.
  private(set) var lastLines: [Int]

  /// A row of the sample and what belongs there.
  struct Place {
    let row: SampleSubmission.Row
    /// The index of the image.
    let image: Int
    /// The index of the pixel; 0 for a row that is a whole image.
    let pixel: Int
  }

  /// Reads the sample once and compares its ids with those of `images`.
  /// - Throws: `SubmissionError` for the first id that belongs to no pixel, comes twice or is
  ///   missing.
  init(
    _ sample: SampleSubmission, images: [SubmissionImage], format: SubmissionFormat
  ) throws {
    (self.sample, self.images, form) = (sample, images, format.form)
    firstIndex = try format.firstIndex ?? Self.firstIndex(of: sample, format.form)
    lastLines = images.map { _ in 0 }
    var seen = images.map { Bits(count: format.form == .image ? 1 : $0.width * $0.height) }
    var (rows, lines) = (0, lastLines)
    try forEachPlace { place in
      rows += 1
      guard seen[place.image].insert(place.pixel) else {
        throw fault(place.row, "the id comes a second time")
      }
      lines[place.image] = place.row.line
    }
    lastLines = lines
    try checkCount(rows, seen)
  }

  /// Calls `body` with each row in turn.
  /// - Throws: `SubmissionError` for an id that belongs to no image or pixel; what `body` throws.
  func forEachPlace(_ body: (Place) throws -> Void) throws {
    // Names as they stand between quotes, where a quote is doubled.
    let indices = Dictionary(
      images.enumerated().map { (CSV.escaped($1.name), $0) },
      uniquingKeysWith: { first, _ in first })
    // Neighbouring rows are mostly of the same image: its name is looked up once.
    var (name, image) = ([UInt8](), 0)
    try sample.forEachRow { row in
      let parts = form == .image ? (row.id, 0, 0) : Self.parts(row.id)
      guard let (bytes, y, x) = parts else {
        throw fault(row, "expected image_row_column such as \(images[0].name)_1_1")
      }
      if name.isEmpty || !bytes.elementsEqual(name) {
        guard let found = indices[Array(bytes)] else {
          let text = String(decoding: bytes, as: UTF8.self)
          throw fault(row, "there is no image '\(text)' among the \(images.count) given")
        }
        (name, image) = (Array(bytes), found)
      }
      try body(Place(row: row, image: image, pixel: pixel(row, image, y, x)))
    }
  }

  private func pixel(
    _ row: SampleSubmission.Row, _ image: Int, _ y: Int, _ x: Int
  ) throws -> Int {
    guard form == .pixels else { return 0 }
    let (width, height) = (images[image].width, images[image].height)
    let (line, column) = (y - firstIndex, x - firstIndex)
    guard (0..<height).contains(line), (0..<width).contains(column) else {
      // The first row of a sample in random order rarely tells how it counts.
      let countsFromZero = firstIndex == 1 && (y == 0 || x == 0)
      throw fault(
        row,
        "\(images[image].name) has rows \(firstIndex) to \(height - 1 + firstIndex) and "
          + "columns \(firstIndex) to \(width - 1 + firstIndex)"
          + (countsFromZero ? "; does the sample count from 0 (--first-index 0)?" : ""))
    }
    return line * width + column
  }

  private func checkCount(_ rows: Int, _ seen: [Bits]) throws {
    for (image, bits) in zip(images, seen) {
      guard let missing = bits.firstAbsent else { continue }
      let wanted = seen.reduce(0) { $0 + $1.count }
      let place = "_\(missing / image.width + firstIndex)_\(missing % image.width + firstIndex)"
      throw SubmissionError(
        "\(sample.path): \(rows) rows, expected \(wanted): the first missing id is "
          + image.name + (form == .pixels ? place : ""))
    }
  }

  private func fault(_ row: SampleSubmission.Row, _ text: String) -> SubmissionError {
    let id = row.text.count > 60 ? "\(row.text.prefix(60))..." : row.text
    return SubmissionError("\(sample.path): line \(row.line): id '\(id)': \(text)")
  }

  /// 0 if the first id counts from 0, else 1.
  private static func firstIndex(
    of sample: SampleSubmission, _ form: SubmissionFormat.Form
  ) throws -> Int {
    struct Done: Error {}
    var index = 1
    guard form == .pixels else { return index }
    do {
      try sample.forEachRow { row in
        if let (_, y, x) = parts(row.id), y == 0 || x == 0 { index = 0 }
        throw Done()
      }
    } catch is Done {}
    return index
  }

  /// `image_row_column` taken apart from its end: names may hold underscores.
  private static func parts(
    _ id: UnsafeRawBufferPointer
  ) -> (name: UnsafeRawBufferPointer, row: Int, column: Int)? {
    var end = id.count
    var numbers = (0, 0)
    for part in 0..<2 {
      var (value, factor, position) = (0, 1, end)
      while position > 0, case let digit = id[position - 1], (0x30...0x39).contains(digit) {
        guard factor <= 1_000_000_000 else { return nil }
        value += Int(digit - 0x30) * factor
        factor *= 10
        position -= 1
      }
      guard position > 0, position < end, id[position - 1] == UInt8(ascii: "_") else { return nil }
      if part == 0 { numbers.1 = value } else { numbers.0 = value }
      end = position - 1
    }
    guard end > 0 else { return nil }
    return (UnsafeRawBufferPointer(rebasing: id[..<end]), numbers.0, numbers.1)
  }
}

/// A set of small numbers, a bit each.
private struct Bits {
  let count: Int
  private var words: [UInt64]

  init(count: Int) {
    self.count = count
    words = Array(repeating: 0, count: (count + 63) / 64)
  }

  /// Whether the number was not in the set before.
  mutating func insert(_ number: Int) -> Bool {
    let bit = UInt64(1) << UInt64(number % 64)
    defer { words[number / 64] |= bit }
    return words[number / 64] & bit == 0
  }

  /// The first number below `count` that is not in the set.
  var firstAbsent: Int? {
    for (index, word) in words.enumerated() where word != .max {
      let number = 64 * index + (~word).trailingZeroBitCount
      return number < count ? number : nil
    }
    return nil
  }
}
