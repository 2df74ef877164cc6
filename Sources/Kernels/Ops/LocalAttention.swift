import CLBackend
import CMicroKernels

/// Channel attention whose statistics are those of windows, for images larger than the patches of
/// training (TLC, Chu et al., ECCV 2022, section 3.2).
///
/// Each window w of `window` pixels, laid out as `WindowAxis` says, has attention weights A_w of
/// its own, those of `ChannelAttention` over its pixels; a pixel's results are averaged over the
/// windows that it lies in. As mean_w (A_w v) = (mean_w A_w) v, sums are taken once over each cell
/// between the windows' edges, added up for each window, and the windows' weights are averaged for
/// each cell: every pixel is visited once.
///
/// Inputs: `qkv` `[n, 3 c, h, w]`, `t` `[heads]`. Output: `[n, c, h, w]`.
package struct LocalAttention: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "LocalAttention"
  private let heads: Int
  private let window: Shape

  /// Attention with `heads` heads in windows of at most `height x width` pixels.
  public init(heads: Int, height: Int, width: Int) {
    precondition(height > 0 && width > 0, "LocalAttention: a window of \(width)x\(height)")
    (self.heads, window) = (heads, Shape(1, 1, height, width))
  }

  public static var cases: [OpCase] {
    [
      (1, Shape(1, 12, 13, 17), 8, 8), (2, Shape(2, 24, 9, 9), 5, 4), (1, Shape(2, 9, 1, 1), 4, 4),
      (3, Shape(1, 18, 3, 50), 2, 16), (2, Shape(1, 96, 33, 40), 16, 24),
      (1, Shape(1, 30, 61, 67), 60, 32), (1, Shape(1, 6, 5, 7), 99, 99),
    ].map { heads, qkv, height, width in
      OpCase(
        LocalAttention(heads: heads, height: height, width: width), [qkv, .vector(heads)],
        [.symmetric, .positive])
    }
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let qkv = inputs[0]
    precondition(
      qkv.c % (3 * heads) == 0 && inputs[1] == .vector(heads),
      "LocalAttention: \(inputs) with \(heads) heads")
    return [qkv.channels(qkv.c / 3)]
  }

  /// As attention over the whole image: every pixel is visited once.
  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    ChannelAttention(heads: heads).multiplyAdds(inputs)
  }

  private func layout(_ qkv: Shape, _ traits: DeviceTraits) -> LocalWindows {
    LocalWindows(qkv, heads: heads, window: window, traits)
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] { layout(inputs[0], .host).scratch }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    layout(inputs[0], configuration.traits).scratch
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (qkv, t, y) = (inputs[0], inputs[1], outputs[0])
    let layout = layout(qkv.shape, .host)
    let m = layout.m
    let (sums, weights, means) = (scratch[0].base, scratch[1].base, scratch[2].base)
    layout.addUp(qkv, into: sums)
    parallelFor(layout.images * heads * layout.windowCount) { index in
      let (group, window) = (index / layout.windowCount, index % layout.windowCount)
      layout.attention(
        of: window, sums + group * layout.cellCount * layout.slices * layout.sums,
        t: t.base[group % heads], into: weights + index * m * m)
    }
    parallelFor(layout.images * heads * layout.cellCount) { index in
      let (group, cell) = (index / layout.cellCount, index % layout.cellCount)
      layout.mean(
        over: cell, weights + group * layout.windowCount * m * m, into: means + index * m * m)
    }
    let rows = layout.rows.cuts
    let columns = layout.columns.cuts
    parallelFor(layout.images * heads * y.shape.h) { index in
      let (group, line) = (index / y.shape.h, index % y.shape.h)
      let (n, head) = (group / heads, group % heads)
      let row = rows.lastIndex { $0 <= line } ?? 0
      for column in 0..<columns.count - 1 {
        let first = line * y.shape.w + columns[column]
        let matrix =
          means + (group * layout.cellCount + row * (columns.count - 1) + column) * m * m
        restormer_gemm(
          qkv.plane(n, (2 * heads + head) * m) + first, qkv.planeStride, matrix, m, 1, nil, nil, 0,
          y.plane(n, head * m) + first, y.planeStride,
          Int32(columns[column + 1] - columns[column]), Int32(m), Int32(m))
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let layout = layout(inputs[0].shape, backend.traits)
    return [
      try gram(layout, inputs[0], into: scratch[0], on: backend),
      try softmax(layout, scratch[0], inputs[1], into: scratch[1], on: backend),
      try backend.launch(
        Self.name, "local_mean",
        [.region(scratch[1]), .region(scratch[2])] + layout.axes + [.int(layout.rows.cells)],
        global: [layout.m * layout.m, layout.cellCount, layout.groups]),
      try apply(layout, scratch[2], inputs[0], into: outputs[0], on: backend),
    ]
  }

  /// The sums of every cell and slice. On a CPU a work-item has a slice to itself, on a GPU a
  /// work-group has a square of its products.
  private func gram(
    _ layout: LocalWindows, _ qkv: DeviceTensor, into sums: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let isCPU = backend.traits.isCPU
    let tiles = ceilingQuotient(layout.m, LocalWindows.tile)
    return try backend.launch(
      Self.name, isCPU ? "local_gram" : "local_gram_tiles",
      [.tensor(qkv), .region(sums)] + layout.axes
        + [.int(heads), .int(layout.slices), .int(layout.cellCount * layout.slices)],
      global: [isCPU ? 1 : 64 * tiles * tiles, layout.cellCount * layout.slices, layout.groups],
      local: [isCPU ? 1 : 64, 1, 1],
      defines: (isCPU ? PanelBlock(channels: layout.m, backend.configuration).defines : [:])
        .merging(HalfDefines.of(qkv)) { $1 },
      multiplyAdds: multiplyAdds([qkv.shape]))
  }

  /// The weights of every window: a work-group for each row, on a CPU of one item.
  private func softmax(
    _ layout: LocalWindows, _ sums: DeviceTensor, _ t: DeviceTensor, into weights: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let row = backend.traits.isCPU ? 1 : backend.configuration.groupSize
    return try backend.launch(
      Self.name, "local_softmax",
      [.region(sums), .tensor(t), .region(weights)] + layout.axes
        + [.int(heads), .int(layout.rows.cells), .int(layout.slices)],
      global: [layout.m * row, layout.windowCount, layout.groups], local: [row, 1, 1])
  }

  /// On a CPU a work-item walks along a cell's line, on a GPU it has one block of registers.
  private func apply(
    _ layout: LocalWindows, _ means: DeviceTensor, _ qkv: DeviceTensor, into y: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let (isCPU, widest) = (backend.traits.isCPU, layout.columns.widestCell)
    let block = backend.configuration.blockVectors * backend.configuration.vectorWidth
    let blocks = isCPU ? 1 : ceilingQuotient(widest, block)
    let strip = isCPU ? layout.m : backend.configuration.blockRows
    return try backend.launch(
      Self.name, "local_apply",
      [.region(means), .tensor(qkv), .tensor(y)] + layout.axes
        + [
          .int(heads), .int(layout.rows.cells), .int(blocks), .int(isCPU ? widest : block),
          .int(strip),
        ],
      global: [
        layout.columns.cells * blocks, heads * ceilingQuotient(layout.m, strip),
        layout.images * y.shape.h,
      ],
      local: backend.columnGroup,
      defines: ["BLOCK_ROWS": backend.configuration.fittingBlockRows(layout.m)]
        .merging(HalfDefines.of(qkv, into: y)) { $1 },
      multiplyAdds: multiplyAdds([qkv.shape]))
  }
}

extension LocalAttention: DefinedOp {
  /// Attention of every window on its own, and the mean of the windows that a pixel lies in.
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    let (rows, columns) = (
      WindowAxis(size: x.shape.h, window: window.h), WindowAxis(size: x.shape.w, window: window.w)
    )
    let windows = (0..<rows.count * columns.count).map { index in
      let (top, left) = (
        rows.start(index / columns.count), columns.start(index % columns.count)
      )
      let part = ExactTensor(Shape(x.shape.n, x.shape.c, rows.window, columns.window)) {
        x[$0, $1, top + $2, left + $3]
      }
      return (
        rows: top..<top + rows.window, columns: left..<left + columns.window,
        y: ChannelAttention(heads: heads).definition([part, inputs[1]])[0]
      )
    }
    return [
      ExactTensor(x.shape.channels(x.shape.c / 3)) { n, c, i, j in
        let over = windows.filter { $0.rows.contains(i) && $0.columns.contains(j) }
        return over.reduce(0) {
          $0 + $1.y[n, c, i - $1.rows.lowerBound, j - $1.columns.lowerBound]
        } / Double(over.count)
      }
    ]
  }
}

extension Graph {
  /// Channel attention over `qkv` `[n, 3 c, h, w]` with the statistics of windows of at most
  /// `window.height x window.width` pixels and a `temperature` per head: `[n, c, h, w]`. It has no
  /// gradient.
  public func localAttention(
    _ qkv: Tensor, temperature: Tensor, heads: Int, window: (height: Int, width: Int)
  ) -> Tensor {
    apply(
      LocalAttention(heads: heads, height: window.height, width: window.width),
      [qkv, temperature])[0]
  }
}
