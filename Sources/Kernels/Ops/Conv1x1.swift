import CLBackend
import CMicroKernels

/// 1x1 convolution: `y[n, o, p] = sum_i W[o, i] x[n, i, p] (+ b[o]) (+ r[n, o, p])` at every pixel
/// `p`.
///
/// Inputs: `x` `[n, ci, h, w]`, `W` `[co, ci, 1, 1]`, then `b` `[co]` and the residual `r`
/// `[n, co, h, w]` if the operator has them. Its gradient with respect to `x` is the product with
/// the transpose: the same operator, `isTransposed`.
///
/// Gradients: of `x` by the transposed operator, of `W` by `Conv1x1BackwardWeight`, of `b` by
/// `ChannelSum`; the residual's is `gy` itself.
///
/// Four fifths of the network's work are here. A CPU-type device holds a block of outputs in
/// registers and walks down the input channels, whose columns stay in the nearest cache; a GPU's
/// group passes tiles of both factors through local memory (`ProductTile`). The residual and the
/// bias are added where the sums are stored: neither costs a pass of its own.
package struct Conv1x1: CatalogOp, SummingOp, HalfStoringOp {
  public static let name = "Conv1x1"
  public static let tuning = TuningSpace.product
  let hasBias: Bool
  let hasResidual: Bool
  let isTransposed: Bool

  /// The operator.
  /// - Parameters:
  ///   - bias: an input with a number per output channel follows the weight.
  ///   - residual: a last input is added to the result.
  ///   - transposed: multiply with the transpose of the weight.
  public init(bias: Bool = false, residual: Bool = false, transposed: Bool = false) {
    (hasBias, hasResidual, isTransposed) = (bias, residual, transposed)
  }

  public var withAddend: (any Op)? {
    hasResidual ? nil : Conv1x1(bias: hasBias, residual: true, transposed: isTransposed)
  }

  public static var cases: [OpCase] {
    let plain = [(2, 5, 7, 13, 17), (1, 3, 4, 1, 1), (2, 48, 127, 9, 16), (1, 20, 6, 40, 33)].map {
      OpCase(Conv1x1(), [Shape($0.0, $0.1, $0.3, $0.4), Shape($0.2, $0.1, 1, 1)])
    }
    let x = Shape(2, 10, 11, 14)
    let wide = Shape(2, 13, 11, 14)
    let weight = Shape(13, 10, 1, 1)
    // More channels than the CPU backend gathers at a time.
    let deep = Shape(1, 530, 3, 7)
    return plain + [
      OpCase(
        Conv1x1(bias: true, residual: true),
        [deep, Shape(5, deep.c, 1, 1), .vector(5), deep.channels(5)]),
      OpCase(Conv1x1(transposed: true), [deep, Shape(deep.c, 5, 1, 1)]),
      OpCase(Conv1x1(bias: true), [x, weight, .vector(13)]),
      OpCase(Conv1x1(residual: true), [x, weight, wide]),
      OpCase(Conv1x1(bias: true, residual: true), [x, weight, .vector(13), wide]),
      OpCase(Conv1x1(transposed: true), [wide, weight]),
      OpCase(Conv1x1(residual: true, transposed: true), [wide, weight, x]),
    ]
  }

  package var activations: Activations {
    Activations(hasResidual ? [0, hasBias ? 3 : 2] : [0])
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 + (hasBias ? 1 : 0) + (hasResidual ? 1 : 0), "Conv1x1: inputs \(inputs)")
    let (x, w) = (inputs[0], inputs[1])
    let (outputs, expected) = isTransposed ? (w.c, w.n) : (w.n, w.c)
    precondition(x.c == expected && w.plane == 1, "Conv1x1: weight \(w) on \(x)")
    let y = x.channels(outputs)
    if hasBias { precondition(inputs[2] == .vector(outputs), "Conv1x1: bias \(inputs[2])") }
    if hasResidual { precondition(inputs.last == y, "Conv1x1: residual \(inputs) for \(y)") }
    return [y]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    inputs[0].n * inputs[0].plane * inputs[1].n * inputs[1].c
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return node.inputs.map { _ in nil } }
    precondition(!isTransposed, "Conv1x1: second derivatives are not defined")
    let graph = gy.graph
    let (x, w) = (node.inputs[0], node.inputs[1])
    var result: [Tensor?] = [
      graph.apply(Conv1x1(transposed: true), [gy, w])[0],
      graph.apply(Conv1x1BackwardWeight(), [x, gy])[0],
    ]
    if hasBias { result.append(graph.apply(ChannelSum(), [gy])[0]) }
    if hasResidual { result.append(gy) }
    return result
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, w, y) = (inputs[0], inputs[1], outputs[0])
    let pixels = x.shape.plane
    let grain = pixelGrain(pixels, images: x.shape.n)
    let strips = (pixels + grain - 1) / grain
    let bias = hasBias ? inputs[2].base : nil
    let residual = hasResidual ? inputs.last : nil
    let (rowStep, columnStep) = weightSteps(w.shape)
    parallelFor(strips * x.shape.n) { index in
      let (n, first) = (index / strips, index % strips * grain)
      restormer_gemm(
        x.plane(n, 0) + first, x.planeStride, w.base, rowStep, columnStep, bias,
        residual.map { UnsafePointer($0.plane(n, 0) + first) }, residual?.planeStride ?? 0,
        y.plane(n, 0) + first, y.planeStride, Int32(min(grain, pixels - first)),
        Int32(x.shape.c), Int32(y.shape.c))
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, w, y) = (inputs[0], inputs[1], outputs[0])
    let (rowStep, columnStep) = weightSteps(w.shape)
    let tensors: [KernelArgument] = [
      .tensor(x), .tensor(w), .tensor(hasBias ? inputs[2] : w),
      .tensor(hasResidual ? inputs[inputs.count - 1] : x), .tensor(y), .int(x.shape.plane),
      .int(x.shape.c), .int(y.shape.c), .int(rowStep), .int(columnStep),
    ]
    let flags: [KernelArgument] = [.int(hasBias ? 1 : 0), .int(hasResidual ? 1 : 0)]
    let halves = HalfDefines.of(x, into: y)
    let isAligned = ProductTile.isAligned([x, y] + (hasResidual ? [inputs[inputs.count - 1]] : []))
    let tileDefines = [
      "ALIGNED": isAligned ? 1 : 0, "TILE_WIDE": ProductTile.isWide(w.shape.c, w) ? 1 : 0,
    ].merging(halves) { $1 }
    if let tile = try ProductTile.fitting(y.shape, on: backend, defines: tileDefines) {
      return [
        try backend.launch(
          Self.name, "conv1x1_tiles", tensors + flags,
          global: tile.global(y.shape), local: [tile.items, 1, 1],
          defines: tile.defines.merging(tileDefines) { $1 },
          multiplyAdds: multiplyAdds(inputs.map(\.shape)))
      ]
    }
    let configuration = backend.configuration
    let columns = configuration.blockVectors * configuration.vectorWidth
    let groups = (x.shape.plane + columns - 1) / columns
    let rows = rowsPerItem(y.shape.c, items: groups * x.shape.n, configuration)
    return [
      try backend.launch(
        Self.name, "conv1x1", tensors + [.int(rows)] + flags,
        global: [groups, (y.shape.c + rows - 1) / rows, x.shape.n],
        local: [configuration.traits.isCPU ? 1 : configuration.groupSize, 1, 1], defines: halves,
        multiplyAdds: multiplyAdds(inputs.map(\.shape)))
    ]
  }

  private func weightSteps(_ w: Shape) -> (row: Int, column: Int) {
    isTransposed ? (1, w.c) : (w.c, 1)
  }
}

extension Conv1x1: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w) = (inputs[0], inputs[1])
    let channels = isTransposed ? w.shape.c : w.shape.n
    return [
      ExactTensor(x.shape.channels(channels)) { n, o, i, j in
        var y = hasBias ? inputs[2].values[o] : 0
        if hasResidual { y += inputs[inputs.count - 1][n, o, i, j] }
        for c in 0..<x.shape.c {
          y += (isTransposed ? w[c, o, 0, 0] : w[o, c, 0, 0]) * x[n, c, i, j]
        }
        return y
      }
    ]
  }
}

extension Graph {
  /// 1x1 convolution of `x` `[n, ci, h, w]` with `weight` `[co, ci, 1, 1]`, plus `bias` `[co]` if
  /// given.
  public func conv1x1(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    apply(Conv1x1(bias: bias != nil), [x, weight] + [bias].compactMap { $0 })[0]
  }
}
