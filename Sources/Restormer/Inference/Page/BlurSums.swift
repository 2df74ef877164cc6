import Foundation

/// Sums over pixels from which the blur that best turns a restored patch back into the given one
/// follows by least squares.
///
/// With y restored and x given, x[p] = k₀ y[p] + Σ k_d (y[p + d] + y[p - d]) + c over one of each
/// pair of offsets ±d. Defocus, motion and Gaussian blur are symmetric, which leaves half the
/// unknowns, and so less to invent.
struct BlurSums {
  /// The largest offset of the blur in rows and columns.
  static let radius = 5
  /// One of each pair of opposite offsets.
  static let offsets: [(x: Int, y: Int)] = {
    var half: [(x: Int, y: Int)] = []
    for y in 0...radius {
      for x in -radius...radius where y > 0 || x > 0 { half.append((x, y)) }
    }
    return half
  }()
  /// The centre, the pairs and the constant.
  static let unknowns = offsets.count + 2
  /// The unknowns' factors, then the given value.
  static let columns = unknowns + 1

  /// Sums of products of two columns, the upper triangle of `[columns, columns]`.
  private(set) var products: [Float]
  /// Pixels.
  private(set) var count = 0

  /// Of no pixels.
  init() { products = [Float](repeating: 0, count: Self.columns * Self.columns) }

  /// Adds pixels.
  /// - Parameters:
  ///   - factors: `[columns, vectors]`, of which those beyond `count` pixels are 0.
  ///   - vectors: vectors of each column.
  mutating func add(_ factors: UnsafePointer<SIMD8<Float>>, vectors: Int, count: Int) {
    self.count += count
    for row in 0..<Self.columns {
      let a = factors + row * vectors
      for column in row..<Self.columns {
        let b = factors + column * vectors
        var sum = SIMD8<Float>.zero
        for i in 0..<vectors { sum += a[i] * b[i] }
        products[row * Self.columns + column] += sum.sum()
      }
    }
  }

  /// Of two patches together.
  static func + (a: BlurSums, b: BlurSums) -> BlurSums {
    var sum = a
    for i in sum.products.indices { sum.products[i] += b.products[i] }
    sum.count += b.count
    return sum
  }

  private func product(_ row: Int, _ column: Int) -> Double {
    Double(products[min(row, column) * Self.columns + max(row, column)])
  }
}

/// The blur that best turns a restored patch back into the given one.
struct BlurFit {
  /// The share of the pixel itself.
  let center: Double
  /// The sum of the whole kernel: 1 where brightness is kept.
  let sum: Double
  /// The mean square of what the blur does not explain.
  let residual: Double
  /// The variance of the given patch.
  let variance: Double
}

extension BlurSums {
  /// The fit, or nil for a patch without pixels.
  func fit() -> BlurFit? {
    guard count > 0 else { return nil }
    let n = Self.unknowns
    let constant = n - 1
    let trace = (0..<constant).reduce(0) { $0 + product($1, $1) }
    // A little ridge: neighbours of a blurred page are nearly the same.
    let ridge = 1e-4 * trace / Double(n) + 1e-6
    let target = (0..<n).map { product($0, n) }
    let kernel = solve(ridge: ridge, target)
    var explained = 0.0
    for row in 0..<n {
      var sum = -2 * target[row]
      for column in 0..<n { sum += product(row, column) * kernel[column] }
      explained += kernel[row] * sum
    }
    let pixels = Double(count)
    let mean = product(constant, n) / pixels
    let square = product(n, n)
    return BlurFit(
      center: kernel[0], sum: kernel[0] + 2 * kernel[1..<constant].reduce(0, +),
      residual: max(0, square + explained) / pixels, variance: max(0, square / pixels - mean * mean)
    )
  }

  /// Solves the normal equations by a Cholesky decomposition: the ridge makes them positive
  /// definite.
  private func solve(ridge: Double, _ target: [Double]) -> [Double] {
    let n = Self.unknowns
    var factor = [Double](repeating: 0, count: n * n)
    for row in 0..<n {
      for column in 0...row {
        var sum = product(row, column) + (row == column ? ridge : 0)
        for i in 0..<column { sum -= factor[row * n + i] * factor[column * n + i] }
        factor[row * n + column] =
          row == column ? max(sum, ridge).squareRoot() : sum / factor[column * n + column]
      }
    }
    var solution = target
    for row in 0..<n {
      for i in 0..<row { solution[row] -= factor[row * n + i] * solution[i] }
      solution[row] /= factor[row * n + row]
    }
    for row in (0..<n).reversed() {
      for i in row + 1..<n { solution[row] -= factor[i * n + row] * solution[i] }
      solution[row] /= factor[row * n + row]
    }
    return solution
  }
}
