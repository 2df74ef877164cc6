import CMicroKernels

/// How the CPU backend shares out the weight gradient of a 3x3 convolution:
/// `gW[o, i, j, k] = sum_{v, u} gy[o, v, u] x[i, v + j - 1, u + k - 1]`.
///
/// A task takes a strip of input channels and a slice of the rows of all images. It transposes a
/// band of rows with a margin of zeros, so that a pixel's channels of the strip lie side by side:
///
///     panel[v + 1][u + 1][i]        sums[tap][o][i] += gy[o, v, :] panel[v + j][k...][i]
///
/// A tap is then a shift of the panel, and every row of it a product in registers whose loads are
/// whole vectors, nine times for one transposition.
struct TransposedStrips {
  private let x: Shape
  private let outputs: Int
  /// Strips of input channels and slices of rows; each pair is a task.
  private let strips: Int
  private let slices: Int
  /// Rows of a band.
  private let bandRows: Int

  /// Input channels of a strip: whole vectors of every instruction set.
  private static let width = 32

  /// Pixels of a band: its panel stays in the second-level cache.
  private static let bandPixels = 1024

  init(_ x: Shape, _ gy: Shape) {
    self.x = x
    outputs = gy.c
    strips = ceilingQuotient(x.c, Self.width)
    slices = min(x.n * x.h, ceilingQuotient(4 * CPUBackend.coreCount, strips))
    bandRows = min(x.h, max(1, Self.bandPixels / x.w))
  }

  private var pitch: Int { (x.w + 2) * Self.width }
  private var panelExtent: Int { (bandRows + 2) * pitch }
  private var sumExtent: Int { 9 * outputs * Self.width }

  /// Elements of all panels and of all sums.
  var scratch: [Int] { [strips * slices * panelExtent, strips * slices * sumExtent] }

  /// The sums of all tasks, slice by slice.
  func sum(
    _ x: CPUTensor, _ gy: CPUTensor, panels: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Float>
  ) {
    parallelFor(strips * slices) { task in
      let (panel, sum) = (panels + task * panelExtent, sums + task * sumExtent)
      sum.update(repeating: 0, count: sumExtent)
      forEachBand(of: task / strips) { n, rows in
        let channels = strip(task % strips)
        transpose(x, n, rows, channels, into: panel)
        for tap in 0..<9 {
          let total = sum + tap * outputs * Self.width
          for row in rows {
            let shifted = (row - rows.lowerBound + tap / 3) * pitch + tap % 3 * Self.width
            restormer_gemm(
              panel + shifted, Self.width, gy.plane(n, 0) + row * x.shape.w, gy.planeStride, 1,
              nil, total, Self.width, total, Self.width, Int32(channels.count),
              Int32(x.shape.w), Int32(outputs))
          }
        }
      }
    }
  }

  /// `gw[o][i][tap]`: the slices' sums added up in order, in the weight's order.
  func collect(_ sums: UnsafeMutablePointer<Float>, into gw: UnsafeMutablePointer<Float>) {
    parallelFor(strips) { index in
      for (column, channel) in strip(index).enumerated() {
        for row in 0..<(9 * outputs) {
          let (tap, o) = (row / outputs, row % outputs)
          var total: Float = 0
          for slice in 0..<slices {
            total += sums[(slice * strips + index) * sumExtent + row * Self.width + column]
          }
          gw[(o * x.c + channel) * 9 + tap] = total
        }
      }
    }
  }

  private func strip(_ index: Int) -> Range<Int> {
    index * Self.width..<min((index + 1) * Self.width, x.c)
  }

  /// Calls `body` with the bands of a slice of the rows of all images; no band crosses an image.
  private func forEachBand(of slice: Int, _ body: (_ n: Int, _ rows: Range<Int>) -> Void) {
    var row = slice * x.n * x.h / slices
    let end = (slice + 1) * x.n * x.h / slices
    while row < end {
      let (n, first) = (row / x.h, row % x.h)
      let last = min(first + bandRows, x.h, first + end - row)
      body(n, first..<last)
      row += last - first
    }
  }

  /// The rows and one more on either side, transposed, in a frame of zeros.
  private func transpose(
    _ x: CPUTensor, _ n: Int, _ rows: Range<Int>, _ channels: Range<Int>,
    into panel: UnsafeMutablePointer<Float>
  ) {
    for row in rows.lowerBound - 1...rows.upperBound {
      let line = panel + (row - rows.lowerBound + 1) * pitch
      guard row >= 0, row < x.shape.h else {
        line.update(repeating: 0, count: pitch)
        continue
      }
      line.update(repeating: 0, count: Self.width)
      (line + pitch - Self.width).update(repeating: 0, count: Self.width)
      restormer_transpose(
        x.plane(n, channels.lowerBound) + row * x.shape.w, x.planeStride, line + Self.width,
        Self.width, Int32(x.shape.w), Int32(channels.count))
    }
  }
}
