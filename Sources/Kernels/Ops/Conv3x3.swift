import CLBackend
import CMicroKernels

/// 3x3 convolution with zero padding of 1:
/// `y[n, o, v, u] = sum_{i, j, k} W[o, i, j, k] x[n, i, v + j - 1, u + k - 1] (+ b[o])`.
///
/// Inputs: `x` `[n, ci, h, w]`, `W` `[co, ci, 3, 3]`, then `b` `[co]` if the operator has a bias.
/// Its gradient with respect to `x` is the convolution with the kernels rotated by 180 degrees and
/// channels exchanged: `isTransposed`.
///
/// Gradients: of `x` by the transposed operator, of `W` by `Conv3x3BackwardWeight`, of `b` by
/// `ChannelSum`.
///
/// As a product over pixels of nine times as many channels, which are never stored: a CPU device
/// loads a row at three column offsets, a GPU's groups hold tiles with their margins in local
/// memory (`ConvolutionTile`), the CPU twin gathers the neighbourhoods of a part of a row into a
/// panel.
package struct Conv3x3: CatalogOp, HalfStoringOp {
  public static let name = "Conv3x3"
  public static let tuning = TuningSpace.registerBlock
  let hasBias: Bool
  let isTransposed: Bool

  /// The operator.
  /// - Parameters:
  ///   - bias: an input with a number per output channel follows the weight.
  ///   - transposed: exchange the weight's channels and rotate its kernels.
  public init(bias: Bool = false, transposed: Bool = false) {
    (hasBias, isTransposed) = (bias, transposed)
  }

  public static var cases: [OpCase] {
    let plain = [
      (2, 3, 7, 13, 17), (1, 3, 4, 1, 1), (1, 2, 3, 1, 9), (1, 2, 3, 9, 1), (1, 2, 3, 2, 2),
      (1, 5, 26, 16, 16), (1, 9, 13, 11, 33),
      // Two panels of the CPU twin, the second of six columns.
      (1, 100, 2, 1, 150),
    ].map { OpCase(Conv3x3(), [Shape($0.0, $0.1, $0.3, $0.4), Shape($0.2, $0.1, 3, 3)]) }
    return plain + [
      OpCase(Conv3x3(bias: true), [Shape(2, 4, 7, 9), Shape(3, 4, 3, 3), .vector(3)]),
      // Weights and rows by fours, several tiles.
      OpCase(Conv3x3(bias: true), [Shape(2, 8, 9, 36), Shape(29, 8, 3, 3), .vector(29)]),
      OpCase(Conv3x3(transposed: true), [Shape(2, 7, 9, 21), Shape(7, 4, 3, 3)]),
      OpCase(Conv3x3(transposed: true), [Shape(1, 3, 1, 2), Shape(3, 2, 3, 3)]),
    ]
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(inputs.count == (hasBias ? 3 : 2), "Conv3x3: inputs \(inputs)")
    let (x, w) = (inputs[0], inputs[1])
    let (outputs, expected) = isTransposed ? (w.c, w.n) : (w.n, w.c)
    precondition(x.c == expected && w.h == 3 && w.w == 3, "Conv3x3: weight \(w) on \(x)")
    if hasBias { precondition(inputs[2] == .vector(outputs), "Conv3x3: bias \(inputs[2])") }
    return [x.channels(outputs)]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    inputs[0].n * inputs[0].plane * inputs[1].count
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return node.inputs.map { _ in nil } }
    precondition(!isTransposed, "Conv3x3: second derivatives are not defined")
    let graph = gy.graph
    return [
      graph.apply(Conv3x3(transposed: true), [gy, node.inputs[1]])[0],
      graph.apply(Conv3x3BackwardWeight(), [node.inputs[0], gy])[0],
    ] + (hasBias ? [graph.apply(ChannelSum(), [gy])[0]] : [])
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    let panels = patchTasks(inputs[0]) * 9 * inputs[0].c * patchStride(inputs[0])
    return isTransposed ? [panels, inputs[1].count] : [panels]
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    isTransposed ? [inputs[1].count] : []
  }

  /// Gathers the nine shifted copies of a part of a row, then one matrix product with `K = 9 ci`.
  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, y) = (inputs[0], outputs[0])
    let weight = isTransposed ? transposed(inputs[1], into: scratch[1].base) : inputs[1].base
    let bias = hasBias ? inputs[2].base : nil
    let depth = 9 * x.shape.c
    forEachPatchRow(x, panels: scratch[0]) { n, row, columns, panel, stride in
      restormer_gemm(
        panel, stride, weight, depth, 1, bias, nil, 0,
        y.plane(n, 0) + row * x.shape.w + columns.lowerBound, y.planeStride,
        Int32(columns.count), Int32(depth), Int32(y.shape.c))
    }
  }

  private func transposed(
    _ w: CPUTensor, into target: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    let shape = w.shape
    for o in 0..<shape.n {
      for i in 0..<shape.c {
        for tap in 0..<9 {
          target[(i * shape.n + o) * 9 + tap] = w.base[(o * shape.c + i) * 9 + 8 - tap]
        }
      }
    }
    return target
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, w, y) = (inputs[0], inputs[1], outputs[0])
    var steps: [Launch] = []
    var weight = w
    if isTransposed {
      weight = TensorView(
        scratch[0].storage, offset: scratch[0].offset, shape: Shape(w.shape.c, w.shape.n, 3, 3))
      steps.append(
        try backend.launch(
          Self.name, "conv3x3_transpose_weight",
          [.tensor(w), .region(weight), .int(w.shape.n), .int(w.shape.c)],
          global: [w.shape.count], local: [64]))
    }
    steps.append(try convolution(x, weight, hasBias ? inputs[2] : w, y, on: backend))
    return steps
  }

  private func convolution(
    _ x: DeviceTensor, _ w: DeviceTensor, _ b: DeviceTensor, _ y: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> Launch {
    guard backend.traits.isCPU else { return try tiles(x, w, b, y, on: backend) }
    let configuration = backend.configuration
    let columns = (x.shape.w + configuration.vectorWidth - 1) / configuration.vectorWidth
    let rowBlocks = (x.shape.h + configuration.blockVectors - 1) / configuration.blockVectors
    let items = columns * rowBlocks * x.shape.n
    let rows = rowsPerItem(y.shape.c, items: items, configuration)
    return try backend.launch(
      Self.name, "conv3x3",
      [
        .tensor(x), .tensor(w), .tensor(b), .tensor(y), .int(x.shape.h), .int(x.shape.w),
        .int(x.shape.c), .int(y.shape.c), .int(rows), .int(hasBias ? 1 : 0),
      ],
      global: [columns * rowBlocks, (y.shape.c + rows - 1) / rows, x.shape.n],
      local: [1, 1, 1],
      // An image has three channels: rows of the register block beyond them would be computed for
      // nothing.
      defines: ["BLOCK_ROWS": configuration.fittingBlockRows(y.shape.c)]
        .merging(HalfDefines.of(x, into: y)) { $1 },
      multiplyAdds: multiplyAdds([x.shape, w.shape]))
  }

  private func tiles(
    _ x: DeviceTensor, _ w: DeviceTensor, _ b: DeviceTensor, _ y: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let defines = [
      "ALIGNED": ProductTile.hasAlignedRows([x, y]) ? 1 : 0,
      "CONV_WIDE": ProductTile.isWide(x.shape.c, w) ? 1 : 0,
    ].merging(HalfDefines.of(x, into: y)) { $1 }
    let tile = try ConvolutionTile.fitting(y.shape, on: backend, defines: defines)
    return try backend.launch(
      Self.name, "conv3x3_tiles",
      [
        .tensor(x), .tensor(w), .tensor(b), .tensor(y), .int(x.shape.h), .int(x.shape.w),
        .int(x.shape.c), .int(y.shape.c), .int(hasBias ? 1 : 0),
      ],
      global: tile.global(y.shape), local: [tile.items, 1, 1],
      defines: tile.defines.merging(defines) { $1 },
      multiplyAdds: multiplyAdds([x.shape, w.shape]))
  }
}

extension Conv3x3: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w) = (inputs[0], inputs[1])
    let channels = isTransposed ? w.shape.c : w.shape.n
    return [
      ExactTensor(x.shape.channels(channels)) { n, o, v, u in
        var y = hasBias ? inputs[2].values[o] : 0
        for i in 0..<x.shape.c {
          for (j, k) in taps {
            let weight = isTransposed ? w[i, o, 2 - j, 2 - k] : w[o, i, j, k]
            y += weight * x[n, i, v + j - 1, u + k - 1]
          }
        }
        return y
      }
    ]
  }
}

extension Graph {
  /// 3x3 convolution of `x` `[n, ci, h, w]` with `weight` `[co, ci, 3, 3]`, plus `bias` `[co]` if
  /// given.
  public func conv3x3(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    apply(Conv3x3(bias: bias != nil), [x, weight] + [bias].compactMap { $0 })[0]
  }
}
