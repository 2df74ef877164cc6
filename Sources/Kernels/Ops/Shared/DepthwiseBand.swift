import CMicroKernels

/// Copies of a few rows of a plane inside a frame of zeros, as the C kernels want them: small enough for the
/// first cache, and without edges to test.
struct DepthwiseBand {
  /// The first element of the frame.
  let base: UnsafeMutablePointer<Float>
  /// Elements from one row to the next.
  let stride: Int

  /// Elements from one row to the next for planes of `shape`.
  static func stride(_ shape: Shape) -> Int { roundUp(shape.w, 16) + 16 }

  /// Rows of the image that a band takes.
  static func rows(_ shape: Shape) -> Int { min(shape.h, max(1, 6144 / stride(shape))) }

  /// Calls `body` with memory for `count` bands of planes of `shape`, all zero.
  static func withBands(_ count: Int, _ shape: Shape, _ body: ([DepthwiseBand]) -> Void) {
    let size = (rows(shape) + 2) * stride(shape)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count * size) { memory in
      guard let base = memory.baseAddress else { return }
      base.initialize(repeating: 0, count: count * size)
      body((0..<count).map { DepthwiseBand(base: base + $0 * size, stride: stride(shape)) })
    }
  }

  /// Copies rows of a plane, the first pixel of each to `column`; rows outside of the image become zero.
  /// - Parameter slots: rows that the plane has room for, row `i` in slot `i mod slots`; those of the image if nil.
  func copy(
    _ x: UnsafePointer<Float>, _ shape: Shape, rows: Range<Int>, column: Int, slots: Int? = nil
  ) {
    for (target, row) in rows.enumerated() {
      let out = base + target * stride + column
      if row >= 0 && row < shape.h {
        out.update(from: x + row % (slots ?? shape.h) * shape.w, count: shape.w)
      } else {
        out.update(repeating: 0, count: shape.w)
      }
    }
  }
}

/// Convolves every plane of `x`; `taps` and `bias` belong to a channel.
func depthwisePlanes(
  _ x: CPUTensor, into y: CPUTensor, taps: (Int) -> [Float], bias: (Int) -> Float
) {
  let shape = y.shape
  let rows = DepthwiseBand.rows(shape)
  parallelRanges(shape.n * shape.c, grain: max(1, 8192 / shape.plane)) { planes in
    DepthwiseBand.withBands(1, shape) { bands in
      for plane in planes {
        let (taps, bias) = (taps(plane % shape.c), bias(plane % shape.c))
        for first in stride(from: 0, to: shape.h, by: rows) {
          let last = min(shape.h, first + rows)
          bands[0].copy(
            x.base + plane * x.planeStride, shape, rows: (first - 1)..<(last + 1), column: 1)
          restormer_depthwise_rows(
            bands[0].base, taps, bias, y.base + plane * y.planeStride + first * shape.w,
            last - first, shape.w, bands[0].stride)
        }
      }
    }
  }
}

/// `Σ gy[n, c, i, j] x[n, c, i + ky − 1, j + kx − 1]` for the nine (ky, kx).
func depthwiseSums(_ x: CPUTensor, _ gy: CPUTensor, channel c: Int) -> [Double] {
  let shape = x.shape
  let rows = min(16, DepthwiseBand.rows(shape))
  var sums = [Double](repeating: 0, count: 9)
  DepthwiseBand.withBands(2, shape) { bands in
    for n in 0..<shape.n {
      for first in stride(from: 0, to: shape.h, by: rows) {
        let last = min(shape.h, first + rows)
        bands[0].copy(x.plane(n, c), shape, rows: (first - 1)..<(last + 1), column: 1)
        bands[1].copy(gy.plane(n, c), shape, rows: first..<last, column: 0)
        restormer_depthwise_sums(
          bands[0].base, bands[1].base, &sums, last - first, bands[0].stride)
      }
    }
  }
  return sums
}
