/// How bright the paper of a page is from place to place and colour to colour: uneven light,
/// coloured paper. A network that learned from white paper is shown the page divided by it.
///
/// In each plane a surface of second order in x and y, through the bright parts of the page.
struct Illumination: Sendable {
  private let width: Float
  private let height: Float
  /// The surface of each plane from the first.
  private let surfaces: [Surface]
  private let first: Int
  private static let side = 32

  /// The brightness of the paper of a plane at `y` for columns `x`.
  func row(_ plane: Int, _ y: Int, _ x: Range<Int>) -> [Float] {
    let surface = surfaces[plane - first]
    let v = 2 * Float(y) / height - 1
    return x.map { surface.value(2 * Float($0) / width - 1, v) }
  }

  /// The paper in `planes` of a picture, or nil where it is about the same everywhere, and where no
  /// such surface makes the picture a light page.
  init?(of picture: some Picture, _ planes: Range<Int>) {
    (width, height, first) = (Float(picture.width), Float(picture.height), planes.lowerBound)
    var surfaces: [Surface] = []
    var (least, most) = (Float.infinity, Float(0))
    for plane in planes {
      let samples = Self.brightness(of: picture, plane)
      guard let surface = Surface(through: samples) else { return nil }
      for sample in samples {
        let value = surface.value(sample.u, sample.v)
        (least, most) = (min(least, value), max(most, value))
      }
      surfaces.append(surface)
    }
    self.surfaces = surfaces
    guard most <= 1.05, least > 0.15, least < 0.85 * most, isPage(picture, planes) else {
      return nil
    }
  }

  /// The value that a tenth of each square exceeds, at its middle.
  private static func brightness(of picture: some Picture, _ plane: Int) -> [Surface.Sample] {
    var result: [Surface.Sample] = []
    for top in stride(from: 0, to: picture.height, by: side) {
      let lines = top..<min(picture.height, top + side)
      let rows = lines.map { picture.rowAsSeen(plane, $0) }
      for left in stride(from: 0, to: picture.width, by: side) {
        let columns = left..<min(picture.width, left + side)
        let values = rows.flatMap { $0[columns] }.sorted()
        result.append(
          Surface.Sample(
            u: Float(left + columns.upperBound - 1) / Float(picture.width) - 1,
            v: Float(top + lines.upperBound - 1) / Float(picture.height) - 1,
            value: values[values.count * 9 / 10]))
      }
    }
    return result
  }

  /// Whether most of the picture is as bright as that paper.
  private func isPage(_ picture: some Picture, _ planes: Range<Int>) -> Bool {
    var (light, count) = (0, 0)
    for y in stride(from: 0, to: picture.height, by: 4) {
      for plane in planes {
        let (line, paper) = (picture.rowAsSeen(plane, y), row(plane, y, 0..<picture.width))
        for x in line.indices where line[x] > 0.75 * paper[x] && line[x] < 1.15 * paper[x] {
          light += 1
        }
        count += line.count
      }
    }
    return light * 2 > count
  }
}

/// `a + b u + c v + d u² + e u v + f v²`, u and v from -1 to 1 over the picture.
private struct Surface: Sendable {
  /// A value at a place.
  struct Sample {
    let u: Float
    let v: Float
    let value: Float
  }
  private let factors: [Float]

  func value(_ u: Float, _ v: Float) -> Float {
    factors[0] + factors[1] * u + factors[2] * v + factors[3] * u * u + factors[4] * u * v
      + factors[5] * v * v
  }

  /// The surface through most of the samples: those well below it, all ink or picture, are left out
  /// again and again.
  init?(through samples: [Sample]) {
    var used = samples
    var found: Surface?
    for _ in 0..<4 {
      guard used.count >= 12, let surface = Surface(leastSquares: used) else { return nil }
      found = surface
      used = samples.filter { abs($0.value / max(0.01, surface.value($0.u, $0.v)) - 1) < 0.12 }
    }
    guard let found, used.count * 2 > samples.count else { return nil }
    self = found
  }

  private init?(leastSquares samples: [Sample]) {
    let n = 6
    var rows = [[Double]](repeating: [Double](repeating: 0, count: n + 1), count: n)
    for sample in samples {
      let (u, v) = (Double(sample.u), Double(sample.v))
      let terms = [1, u, v, u * u, u * v, v * v]
      for i in 0..<n {
        for j in 0..<n { rows[i][j] += terms[i] * terms[j] }
        rows[i][n] += terms[i] * Double(sample.value)
      }
    }
    for i in 0..<n {
      rows[i][i] += 1e-6 * Double(samples.count)
      guard rows[i][i] > 0 else { return nil }
      for j in i + 1..<n {
        let factor = rows[j][i] / rows[i][i]
        for k in i...n { rows[j][k] -= factor * rows[i][k] }
      }
    }
    var solution = [Double](repeating: 0, count: n)
    for i in (0..<n).reversed() {
      let known = (i + 1..<n).reduce(0) { $0 + rows[i][$1] * solution[$1] }
      solution[i] = (rows[i][n] - known) / rows[i][i]
    }
    factors = solution.map(Float.init)
  }
}
