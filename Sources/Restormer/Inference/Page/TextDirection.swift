extension Picture {
  /// Whether lines of text run from top to bottom, as on a page that lies on its side.
  ///
  /// Between the lines of a page there is no ink: means of rows vary where lines run across, means
  /// of columns where they run down. Squares of 64 pixels are judged together, so that margins and
  /// columns of text do not matter.
  var liesOnItsSide: Bool {
    let side = 64
    var (across, down) = (0.0, 0.0)
    for top in stride(from: 0, to: height, by: side) {
      let lines = (top..<min(top + side, height)).map { lumaRow($0) }
      for left in stride(from: 0, to: width, by: side) {
        let columns = left..<min(left + side, width)
        across += variance(lines.map { $0[columns].reduce(0, +) / Float(columns.count) })
        down += variance(columns.map { x in lines.reduce(0) { $0 + $1[x] } / Float(lines.count) })
      }
    }
    return down > 1.3 * across
  }
}

private func variance(_ values: [Float]) -> Double {
  let mean = values.reduce(0, +) / Float(max(1, values.count))
  return values.reduce(0) { $0 + Double(($1 - mean) * ($1 - mean)) } / Double(max(1, values.count))
}

extension Symmetry {
  /// This flip of a picture that is turned by a quarter first.
  var ofTurned: Symmetry {
    precondition(!transposed, "Symmetry: \(name) is no flip")
    return Symmetry(transposed: true, flippedX: flippedX, flippedY: !flippedY)
  }
}
