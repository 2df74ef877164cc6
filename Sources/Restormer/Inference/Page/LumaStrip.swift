/// Some rows of a picture as a viewer sees them, gray, with a margin mirrored beyond the picture's
/// edges.
struct LumaStrip {
  /// Pixels on each side.
  let margin: Int
  /// Values from one row to the next.
  let stride: Int
  /// Rows from `-margin`, columns from `-margin`.
  let values: [Float]

  /// - Parameter illumination: the paper, by which values are divided.
  init(_ picture: some Picture, rows: Range<Int>, margin: Int, illumination: Illumination?) {
    (self.margin, stride) = (margin, picture.width + 2 * margin)
    var values: [Float] = []
    values.reserveCapacity((rows.count + 2 * margin) * stride)
    let columns = (-margin..<picture.width + margin).map { mirrored($0, picture.width) }
    for y in rows.lowerBound - margin..<rows.upperBound + margin {
      let row = picture.lumaRow(mirrored(y, picture.height), illumination)
      for x in columns { values.append(row[x]) }
    }
    self.values = values
  }

  /// Where the pixel `(x, y)` lies, `y` counted from the first of the rows.
  func index(_ x: Int, _ y: Int) -> Int { (y + margin) * stride + x + margin }
}

extension Picture {
  /// A row as a viewer sees it, gray, divided by the paper if there is a illumination.
  func lumaRow(_ y: Int, _ illumination: Illumination? = nil) -> [Float] {
    func plane(_ number: Int) -> [Float] {
      let row = rowAsSeen(number, y)
      guard let paper = illumination?.row(number, y, 0..<width) else { return row }
      return zip(row, paper).map { $0 / $1 }
    }
    let first = plane(0)
    guard channels == 3 else { return first }
    let (green, blue) = (plane(1), plane(2))
    return first.indices.map { 0.299 * first[$0] + 0.587 * green[$0] + 0.114 * blue[$0] }
  }

  /// The mean of all pixels as a viewer sees them, gray.
  func meanLuma(_ illumination: Illumination?) -> Float {
    var sum = 0.0
    for y in 0..<height { sum += Double(lumaRow(y, illumination).reduce(0, +)) }
    return Float(sum / Double(max(1, width * height)))
  }
}
