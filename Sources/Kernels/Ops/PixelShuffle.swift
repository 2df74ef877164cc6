import CLBackend

/// Moves channels into space: `y[n, c, 2i + k, 2j + l] = x[n, 4c + 2k + l, i, j]`.
///
/// Input: `x: [n, 4c, h, w]`. Output: `[n, c, 2h, 2w]`. Its gradient is `PixelUnshuffle`.
///
/// It only moves numbers, so that results are exact. On a CPU two rows of `x` are interleaved by
/// whole vectors; on a GPU an item writes two neighbours of `y` at once.
package struct PixelShuffle: CatalogOp, HalfStoringOp {
  public static let name = "PixelShuffle"
  public static var cases: [OpCase] { coarseShapes.map { OpCase(PixelShuffle(), [$0]) } }

  /// Shapes `[n, 4c, h, w]` of the cases.
  static let coarseShapes = [
    Shape(1, 4, 1, 1), Shape(1, 8, 1, 9), Shape(2, 12, 7, 5), Shape(2, 8, 16, 16),
    Shape(1, 4, 33, 70),
  ]

  /// The operator; its factor is 2.
  public init() {}

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 1 && inputs[0].c % 4 == 0,
      "PixelShuffle: the channels of \(inputs) are no multiple of 4")
    return [shuffled(inputs[0])]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    [outputGradients[0].map { $0.graph.pixelUnshuffle($0) }]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    forEachPixelBlock(coarse: inputs[0], fine: outputs[0]) { coarse, fine, width in
      for j in 0..<width { fine[2 &* j] = coarse[j] }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try shuffleLaunches(
      "pixel_shuffle", inputs[0], outputs[0], coarse: inputs[0].shape, on: backend)
  }
}

extension PixelShuffle: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    return [
      ExactTensor(shuffled(x.shape)) { n, c, i, j in x[n, 4 * c + 2 * (i % 2) + j % 2, i / 2, j / 2]
      }
    ]
  }
}

/// Moves space into channels: `y[n, 4c + 2k + l, i, j] = x[n, c, 2i + k, 2j + l]`.
///
/// Input: `x: [n, c, 2h, 2w]`. Output: `[n, 4c, h, w]`. Its gradient is `PixelShuffle`.
///
/// The inverse of `PixelShuffle`, by the same walk in the other direction.
package struct PixelUnshuffle: CatalogOp, HalfStoringOp {
  public static let name = "PixelUnshuffle"
  public static let section = "PixelShuffle"
  public static var cases: [OpCase] {
    PixelShuffle.coarseShapes.map { OpCase(PixelUnshuffle(), [shuffled($0)]) }
  }

  /// The operator; its factor is 2.
  public init() {}

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 1 && inputs[0].h % 2 == 0 && inputs[0].w % 2 == 0,
      "PixelUnshuffle: rows and columns of \(inputs) are not even")
    let x = inputs[0]
    return [Shape(x.n, 4 * x.c, x.h / 2, x.w / 2)]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    [outputGradients[0].map { $0.graph.pixelShuffle($0) }]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    forEachPixelBlock(coarse: outputs[0], fine: inputs[0]) { coarse, fine, width in
      for j in 0..<width { coarse[j] = fine[2 &* j] }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try shuffleLaunches(
      "pixel_unshuffle", inputs[0], outputs[0], coarse: outputs[0].shape, on: backend)
  }
}

extension PixelUnshuffle: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    let y = Shape(x.shape.n, 4 * x.shape.c, x.shape.h / 2, x.shape.w / 2)
    return [
      ExactTensor(y) { n, c, i, j in x[n, c / 4, 2 * i + c % 4 / 2, 2 * j + c % 2] }
    ]
  }
}

/// `[n, 4c, h, w]` to `[n, c, 2h, 2w]`.
private func shuffled(_ shape: Shape) -> Shape {
  Shape(shape.n, shape.c / 4, 2 * shape.h, 2 * shape.w)
}

/// Calls `body` with every row of the coarse tensor, the start of its pixels (every other one of a
/// row) in the fine tensor, and the row's width.
private func forEachPixelBlock(
  coarse: CPUTensor, fine: CPUTensor,
  _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
) {
  let (height, width) = (coarse.shape.h, coarse.shape.w)
  parallelFor(fine.shape.n * fine.shape.c) { plane in
    let (n, c) = (plane / fine.shape.c, plane % fine.shape.c)
    for part in 0..<4 {
      let (k, l) = (part / 2, part % 2)
      for i in 0..<height {
        body(
          coarse.plane(n, 4 * c + part) + i * width,
          fine.plane(n, c) + (2 * i + k) * (2 * width) + l, width)
      }
    }
  }
}

private func shuffleLaunches(
  _ kernel: String, _ x: DeviceTensor, _ y: DeviceTensor, coarse: Shape,
  on backend: OpenCLBackend
) throws -> [Launch] {
  let grid = RowGrid(coarse.channels(coarse.c / 4), rowsPerSweep: 1, backend.configuration)
  return [
    try backend.launch(
      PixelShuffle.section, kernel, [.tensor(x), .tensor(y)] + grid.arguments,
      global: grid.global, local: grid.local, defines: HalfDefines.of(x, into: y))
  ]
}

extension Graph {
  /// Channels into space, factor 2 (PyTorch's order): `[n, 4c, h, w]` to `[n, c, 2h, 2w]`.
  public func pixelShuffle(_ x: Tensor) -> Tensor { apply(PixelShuffle(), [x])[0] }

  /// Space into channels, factor 2 (PyTorch's order): `[n, c, 2h, 2w]` to `[n, 4c, h, w]`.
  public func pixelUnshuffle(_ x: Tensor) -> Tensor { apply(PixelUnshuffle(), [x])[0] }
}
