import CMicroKernels

/// Copies of a few rows of a plane inside a frame of zeros, as the C kernels want them: small
/// enough for the first cache, and without edges to test.
struct DepthwiseBand {
  /// The first element of the frame.
  let base: UnsafeMutablePointer<Float>
  /// Elements from one row to the next.
  let stride: Int

  /// Elements from one row to the next for planes of `shape`.
  static func stride(_ shape: Shape) -> Int { roundUp(shape.w, 16) + 16 }

  /// Rows of the image that a band takes.
  static func rows(_ shape: Shape) -> Int { min(shape.h, max(1, 6144 / stride(shape))) }

  /// Planes worth a task of their own, and bands of their own.
  static func planes(_ shape: Shape) -> Int { max(1, 8192 / shape.plane) }

  /// Calls `body` with memory for `count` bands of planes of `shape`, all zero.
  static func withBands(_ count: Int, _ shape: Shape, _ body: ([DepthwiseBand]) -> Void) {
    let size = (rows(shape) + 2) * stride(shape)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count * size) { memory in
      guard let base = memory.baseAddress else { return }
      base.initialize(repeating: 0, count: count * size)
      body((0..<count).map { DepthwiseBand(base: base + $0 * size, stride: stride(shape)) })
    }
  }

  /// Copies rows of a plane, the first pixel of each to `column`; rows outside of the image become
  /// zero.
  func copy(_ x: UnsafePointer<Float>, _ shape: Shape, rows: Range<Int>, column: Int) {
    for (target, row) in rows.enumerated() {
      let out = base + target * stride + column
      if row >= 0 && row < shape.h {
        out.update(from: x + row * shape.w, count: shape.w)
      } else {
        out.update(repeating: 0, count: shape.w)
      }
    }
  }
}

extension DepthwiseBand {
  /// Adds `Σ gy[i, j] x[i + ky − 1, j + kx − 1]` over one plane of `shape` to nine sums; `x` goes
  /// through this band, `gy` through `other`.
  func addSums(
    _ x: UnsafePointer<Float>, _ gy: UnsafePointer<Float>, _ shape: Shape, through other: Self,
    to sums: inout [Double]
  ) {
    let rows = min(16, Self.rows(shape))
    for first in Swift.stride(from: 0, to: shape.h, by: rows) {
      let last = min(shape.h, first + rows)
      copy(x, shape, rows: (first - 1)..<(last + 1), column: 1)
      other.copy(gy, shape, rows: first..<last, column: 0)
      restormer_depthwise_sums(base, other.base, &sums, last - first, stride)
    }
  }
}

/// The gradients of one channel of a depthwise convolution, summed over the images in order: those
/// of the taps, and that of the bias last. A plane of slopes serves them all while it is in cache.
struct DepthwiseChannelGradients {
  private let shape: Shape
  private let bands: [DepthwiseBand]
  private let taps: UnsafePointer<Float>
  private var sums = [Double](repeating: 0, count: 9)
  private var total = 0.0

  /// - Parameters:
  ///   - shape: of the planes.
  ///   - taps: the channel's nine.
  ///   - bands: two of them, to copy rows to.
  init(_ shape: Shape, taps: UnsafePointer<Float>, bands: [DepthwiseBand]) {
    (self.shape, self.taps, self.bands) = (shape, taps, bands)
  }

  /// Writes the gradient of one image's plane `x` to `gx` and adds to the sums.
  mutating func add(
    _ x: UnsafePointer<Float>, _ gy: UnsafePointer<Float>, into gx: UnsafeMutablePointer<Float>
  ) {
    restormer_depthwise_window(
      gy, shape.h, 0, shape.h, shape.h, shape.w, taps, 1, 0, gx)
    bands[0].addSums(x, gy, shape, through: bands[1], to: &sums)
    total += restormer_sum(gy, shape.plane)
  }

  /// Writes the sums to the channel's place in the gradients of the weight and perhaps the bias.
  func write(to gradients: ArraySlice<CPUTensor>, channel c: Int) {
    guard let gw = gradients.first else { return }
    for k in 0..<9 { gw.plane(c, 0)[k] = Float(sums[k]) }
    for gb in gradients.dropFirst() { gb.plane(0, c)[0] = Float(total) }
  }
}
