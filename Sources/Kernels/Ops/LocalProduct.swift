import CLBackend
import CMicroKernels

/// The last part of attention with local statistics: `y = M_cell v (+ b) (+ r)` at every pixel,
/// with the matrix of the cell that it lies in.
///
/// Inputs: `v` `[1, c, rows, w]`, the matrices of `LocalMatrix`, then a bias `[c]` and the residual
/// `r` of the shape of `v` if the operator has them. Output: as `v`.
///
/// A line of a cell is a product of its own, whose pixels follow each other in memory. Narrow cells
/// leave vectors half empty; those lie deep in the network, where each head has few of the channels
/// and this product a small share of the work.
package struct LocalProduct: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "LocalProduct"
  public static let section = "LocalAttention"
  private let windows: LocalWindows
  private let rows: Range<Int>
  private let isFolded: Bool
  private let hasBias: Bool
  private let hasResidual: Bool

  /// The product of rows `rows` of an image.
  /// - Parameters:
  ///   - windows: the windows.
  ///   - rows: the rows that `v` has of the image.
  ///   - folded: whether the projection is in the matrices, which then take all heads together.
  ///   - bias: whether an input with a number per channel follows the matrices.
  ///   - residual: whether a last input is added.
  init(
    _ windows: LocalWindows, rows: Range<Int>, folded: Bool, bias: Bool = false,
    residual: Bool = false
  ) {
    (self.windows, self.rows, isFolded) = (windows, rows, folded)
    (hasBias, hasResidual) = (bias, residual)
  }

  public static var cases: [OpCase] {
    [
      (1, Shape(1, 4, 13, 17), 8, 8, 0), (2, Shape(1, 6, 9, 9), 5, 4, 4),
      (1, Shape(1, 3, 1, 1), 4, 4, 0), (3, Shape(1, 18, 3, 50), 2, 16, 1),
      (2, Shape(1, 24, 33, 40), 20, 24, 5), (2, Shape(1, 8, 30, 31), 4, 4, 7),
    ].flatMap { heads, image, height, width, first in
      let windows = LocalWindows(image, heads: heads, window: Shape(1, 1, height, width))
      let v = Shape(1, image.c, image.h - first, image.w)
      return [(false, false, false), (true, false, true), (true, true, true)].map {
        folded, bias, residual in
        OpCase(
          LocalProduct(
            windows, rows: first..<image.h, folded: folded, bias: bias, residual: residual),
          [v, Shape(1, 1, 1, windows.matrixCount(folded: folded))]
            + (bias ? [.vector(image.c)] : []) + (residual ? [v] : []))
      }
    }
  }

  package var activations: Activations {
    Activations(hasResidual ? [0, hasBias ? 3 : 2] : [0])
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let v = Shape(1, windows.channels, rows.count, windows.columns.size)
    precondition(
      inputs == [v, Shape(1, 1, 1, windows.matrixCount(folded: isFolded))]
        + (hasBias ? [.vector(v.c)] : []) + (hasResidual ? [v] : []),
      "LocalProduct: \(inputs) for rows \(rows)")
    return [v]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { inputs[0].count * m }

  /// Matrices of a cell, and the channels of each.
  private var groups: Int { isFolded ? 1 : windows.heads }
  private var m: Int { windows.channels / groups }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (v, y, columns) = (inputs[0], outputs[0], windows.columns)
    let bias = hasBias ? inputs[2].base : nil
    let residual = hasResidual ? inputs.last : nil
    // Whole lines, so that neighbouring cells find the rest of a cache line where it is.
    parallelFor(groups * rows.count) { index in
      let (channel, line) = (index / rows.count * m, index % rows.count)
      let row = windows.rows.cell(at: rows.lowerBound + line)
      for column in 0..<columns.cells {
        let cell = row * columns.cells + column
        let matrix = inputs[1].base + (index / rows.count * windows.cellCount + cell) * m * m
        let first = line * columns.size + columns.cut(column)
        restormer_gemm(
          v.plane(0, channel) + first, v.planeStride, matrix, m, 1, bias.map { $0 + channel },
          residual.map { UnsafePointer($0.plane(0, channel) + first) },
          residual?.planeStride ?? 0, y.plane(0, channel) + first, y.planeStride,
          Int32(columns.cut(column + 1) - columns.cut(column)), Int32(m), Int32(m))
      }
    }
  }

  /// On a CPU a work-item walks along a cell's line, on a GPU it has one block of registers.
  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (v, isCPU, widest) = (inputs[0], backend.traits.isCPU, windows.columns.widestCell)
    let block = backend.configuration.blockVectors * backend.configuration.vectorWidth
    let blocks = isCPU ? 1 : ceilingQuotient(widest, block)
    let strip = isCPU ? m : backend.configuration.blockRows
    return [
      try backend.launch(
        Self.section, "local_apply",
        [
          .region(inputs[1]), .tensor(v), .region(hasBias ? inputs[2] : inputs[1]),
          .tensor(hasResidual ? inputs[inputs.count - 1] : v), .tensor(outputs[0]),
        ] + windows.axes(channels: m) + [
          .int(rows.lowerBound), .int(rows.count), .int(blocks), .int(isCPU ? widest : block),
          .int(strip), .int(hasBias ? 1 : 0), .int(hasResidual ? 1 : 0),
        ],
        global: [
          windows.columns.cells * blocks, groups * ceilingQuotient(m, strip), rows.count,
        ],
        local: backend.columnGroup,
        defines: ["BLOCK_ROWS": backend.configuration.fittingBlockRows(m)]
          .merging(HalfDefines.of(v, into: outputs[0])) { $1 },
        multiplyAdds: multiplyAdds([v.shape]))
    ]
  }
}

extension LocalProduct: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (v, matrices) = (inputs[0], inputs[1].values)
    return [
      ExactTensor(v.shape) { _, channel, line, x in
        let group = channel / m
        let cell =
          windows.rows.cell(at: rows.lowerBound + line) * windows.columns.cells
          + windows.columns.cell(at: x)
        let row = (group * windows.cellCount + cell) * m * m + channel % m * m
        let sum = (0..<m).reduce(0) { $0 + matrices[row + $1] * v[0, group * m + $1, line, x] }
        return sum + (hasBias ? inputs[2].values[channel] : 0)
          + (hasResidual ? inputs[inputs.count - 1][0, channel, line, x] : 0)
      }
    ]
  }
}
