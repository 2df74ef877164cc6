import CLBackend

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
  let heads: Int
  let window: Shape

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

  /// The windows of one image, with slices that keep all cores busy: a GPU wants more of them, of
  /// which each is a work-group's.
  private func windows(_ qkv: Shape, _ traits: DeviceTraits) -> LocalWindows {
    let image = qkv.channels(qkv.c / 3)
    let cells = LocalWindows(image, heads: heads, window: window).cellCount
    let wanted = ceilingQuotient(traits.isCPU ? 32 : 512, heads * cells)
    return LocalWindows(
      image, heads: heads, window: window,
      slices: min(wanted, ceilingQuotient(image.plane, 512 * cells)))
  }

  /// Sums, mean weights of cells, then what the second step needs.
  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    let windows = windows(inputs[0], .host)
    return own(windows) + LocalMatrix(windows, folds: false).cpuScratch([])
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let windows = windows(inputs[0], configuration.traits)
    return own(windows) + LocalMatrix(windows, folds: false).openCLScratch([], configuration)
  }

  private func own(_ windows: LocalWindows) -> [Int] {
    [windows.sumCount, windows.matrixCount(folded: false)]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    for step in steps(inputs, outputs[0], scratch, windows(inputs[0].shape, .host)) {
      step.op.evaluate(step.inputs, into: [step.output], scratch: step.scratch)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try steps(inputs, outputs[0], scratch, windows(inputs[0].shape, backend.traits)).flatMap {
      try $0.op.launches($0.inputs, into: [$0.output], scratch: $0.scratch, on: backend)
    }
  }

  private struct Step<Storage> {
    let op: any CatalogOp
    let inputs: [TensorView<Storage>]
    let output: TensorView<Storage>
    var scratch: [TensorView<Storage>] = []
  }

  /// Sums, matrices and products of each image.
  private func steps<Storage>(
    _ inputs: [TensorView<Storage>], _ y: TensorView<Storage>, _ scratch: [TensorView<Storage>],
    _ windows: LocalWindows
  ) -> [Step<Storage>] {
    let (sums, means, c) = (scratch[0], scratch[1], y.shape.c)
    let rows = 0..<y.shape.h
    return (0..<y.shape.n).flatMap { image in
      let qkv = { (channels: Range<Int>) in
        inputs[0].part(images: image..<image + 1, channels: channels, rows: rows)
      }
      return [
        Step(op: LocalGram(windows, rows: rows), inputs: [qkv(0..<2 * c)], output: sums),
        Step(
          op: LocalMatrix(windows, folds: false), inputs: [sums, inputs[1]], output: means,
          scratch: Array(scratch.dropFirst(2))),
        Step(
          op: LocalProduct(windows, rows: rows, folded: false),
          inputs: [qkv(2 * c..<3 * c), means],
          output: y.part(images: image..<image + 1, channels: 0..<c, rows: rows)),
      ]
    }
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
