import Foundation
import Kernels

extension Metrics {
  /// Which pixels get a window.
  public enum SSIMWindows: Sendable {
    /// Those whose whole 11 x 11 window lies in the image, as scikit-image and MATLAB count.
    case inside
    /// All, with the edge pixels repeated outward, as BasicSR's SSIM of the Y channel counts.
    case everywhere
  }

  /// The structural similarity index (Wang et al., 2004), at most 1: Gaussian windows of 11 x 11
  /// with sigma 1.5, K1 = 0.01, K2 = 0.03, weighted (not sample) covariance, the mean over windows,
  /// then over channels.
  ///
  /// The Y-channel variants are those of `yChannel` images: with `.everywhere` BasicSR's.
  /// - Throws: `MetricsError` if the images differ in shape, or with `.inside` if fewer than
  ///   11 x 11 pixels remain within the border.
  public static func ssim(
    _ a: Image, _ b: Image, border: Int = 0, windows: SSIMWindows = .inside
  ) throws(MetricsError) -> Double {
    let channels = try ssimPerChannel(a, b, border: border, windows: windows)
    return channels.reduce(0, +) / Double(channels.count)
  }

  /// The index of each channel; see `ssim`.
  /// - Throws: `MetricsError` as `ssim`.
  public static func ssimPerChannel(
    _ a: Image, _ b: Image, border: Int = 0, windows: SSIMWindows = .inside
  ) throws(MetricsError) -> [Double] {
    let (a, b) = (a.overWhite, b.overWhite)
    let area = try Area(a, b, border: border)
    let side = SSIMBands.side
    if windows == .inside, area.rows.count < side || area.columns.count < side {
      throw MetricsError(
        description: "SSIM needs \(side) x \(side) pixels, "
          + "not \(area.columns.count) x \(area.rows.count)")
    }
    return (0..<a.channels).map { channel in
      a.pixels.withUnsafeBufferPointer { first in
        b.pixels.withUnsafeBufferPointer { second in
          let start = channel * a.height * a.width
          return SSIMBands(
            a: first.baseAddress! + start, b: second.baseAddress! + start, stride: a.width,
            area: area, margin: windows == .inside ? SSIMBands.radius : 0
          ).mean()
        }
      }
    }
  }
}

/// SSIM of one plane, in bands of rows side by side on all cores.
///
/// The Gaussian window is separable: each input row is filtered once along x, in four moments
/// (a, b, a^2 + b^2, a b: only the sum of the variances is needed), then 11 of them along y.
/// The height of a band is fixed, so the sums do not depend on the number of cores.
private struct SSIMBands: @unchecked Sendable {
  static let radius = 5
  static let side = 2 * radius + 1
  static let bandHeight = 32
  static let moments = 4

  let a: UnsafePointer<Float>
  let b: UnsafePointer<Float>
  /// Floats from one row to the next.
  let stride: Int
  let area: Area
  /// Pixels along each edge of the area that get no window of their own.
  let margin: Int

  private static let weights: [Double] = {
    let raw = (-radius...radius).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
    let sum = raw.reduce(0, +)
    return raw.map { $0 / sum }
  }()

  private var rows: Int { area.rows.count - 2 * margin }
  private var columns: Int { area.columns.count - 2 * margin }

  func mean() -> Double {
    let bands = (rows + Self.bandHeight - 1) / Self.bandHeight
    let sums = [Double](unsafeUninitializedCapacity: bands) { sums, count in
      nonisolated(unsafe) let sums = sums
      parallelFor(bands) { band in
        let first = band * Self.bandHeight
        sums.initializeElement(at: band, to: sum(first..<min(first + Self.bandHeight, rows)))
      }
      count = bands
    }
    return sums.reduce(0, +) / Double(rows * columns)
  }

  /// The sum of the index over rows of windows.
  private func sum(_ range: Range<Int>) -> Double {
    let filtered = Self.moments * columns
    let memory = Scratch(
      source: Self.moments * (columns + 2 * Self.radius),
      filtered: (range.count + 2 * Self.radius) * filtered, row: filtered)
    defer { memory.release() }
    for i in 0..<range.count + 2 * Self.radius {
      loadRow(range.lowerBound + i + margin - Self.radius, into: memory.source)
      filterAlongX(memory.source, into: memory.filtered + i * filtered)
    }
    var total = 0.0
    for i in 0..<range.count {
      filterAlongY(memory.filtered + i * filtered, into: memory.row)
      total += index(memory.row)
    }
    return total
  }

  /// The moments of one row of the area, with `radius` more on both sides of the windows' centres.
  /// Beyond the edges of the area its outermost pixels are repeated.
  private func loadRow(_ y: Int, into moments: UnsafeMutablePointer<Double>) {
    let count = columns + 2 * Self.radius
    let row = (area.rows.lowerBound + min(max(y, 0), area.rows.count - 1)) * stride
    for i in 0..<count {
      let x = min(max(i + margin - Self.radius, 0), area.columns.count - 1)
      let at = row + area.columns.lowerBound + x
      let (p, q) = (Double(a[at]), Double(b[at]))
      moments[i] = p
      moments[count + i] = q
      moments[2 * count + i] = p * p + q * q
      moments[3 * count + i] = p * q
    }
  }

  private func filterAlongX(
    _ source: UnsafePointer<Double>, into result: UnsafeMutablePointer<Double>
  ) {
    let count = columns + 2 * Self.radius
    result.update(repeating: 0, count: Self.moments * columns)
    for moment in 0..<Self.moments {
      let to = result + moment * columns
      for (k, weight) in Self.weights.enumerated() {
        let from = source + moment * count + k
        for x in 0..<columns { to[x] += weight * from[x] }
      }
    }
  }

  private func filterAlongY(
    _ source: UnsafePointer<Double>, into result: UnsafeMutablePointer<Double>
  ) {
    let count = Self.moments * columns
    result.update(repeating: 0, count: count)
    for (k, weight) in Self.weights.enumerated() {
      let from = source + k * count
      for x in 0..<count { result[x] += weight * from[x] }
    }
  }

  /// The sum over a row of (2 ma mb + C1)(2 cov + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2)).
  private func index(_ moments: UnsafePointer<Double>) -> Double {
    let (c1, c2) = (0.01 * 0.01, 0.03 * 0.03)
    var sum = 0.0
    for x in 0..<columns {
      let (ma, mb) = (moments[x], moments[columns + x])
      let squares = ma * ma + mb * mb
      let product = ma * mb
      let variances = moments[2 * columns + x] - squares
      let covariance = moments[3 * columns + x] - product
      sum += (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    }
    return sum
  }
}

/// The rows one band works on.
private struct Scratch {
  let source: UnsafeMutablePointer<Double>
  let filtered: UnsafeMutablePointer<Double>
  let row: UnsafeMutablePointer<Double>

  init(source: Int, filtered: Int, row: Int) {
    self.source = .allocate(capacity: source)
    self.filtered = .allocate(capacity: filtered)
    self.row = .allocate(capacity: row)
    self.filtered.initialize(repeating: 0, count: filtered)
    self.row.initialize(repeating: 0, count: row)
  }

  func release() {
    source.deallocate()
    filtered.deallocate()
    row.deallocate()
  }
}
