import CLBackend

/// All gradients of a depthwise convolution, in one sweep over `x` and `gy`:
/// `gx[n, c, i, j] = Σ w[c, ky, kx] gy[n, c, i − ky + 1, j − kx + 1]`,
/// `gw[c, ky, kx] = Σ x[n, c, i, j] gy[n, c, i − ky + 1, j − kx + 1]`, `gb[c] = Σ gy[n, c, i, j]`.
///
/// Inputs: `x: [n, c, h, w]`, `weight: [c, 1, 3, 3]`, `gy` as `x`. Outputs: `gx` as `x`, `gw` as
/// the weight and, with `bias`, `gb: [c]`. The sums run in two stages of fixed order, where one
/// does not suffice.
///
/// All of them need the same neighbourhoods of `gy`, so that one sweep computes them together. Sums
/// over pixels go in two stages of fixed order: partial sums of a tile (on a GPU of some rows),
/// which are then added up for each channel.
package struct DepthwiseConvGradients: TerminalOp, CatalogOp, HalfStoringOp {
  public static let name = "DepthwiseConvGradients"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.flatMap { shape in
      [false, true].map {
        OpCase(Self(bias: $0), [shape, Shape(shape.c, 1, 3, 3), shape], tolerance: 5e-5)
      }
    }
  }

  private let hasBias: Bool

  /// The gradients of a convolution with or without bias.
  public init(bias: Bool) { hasBias = bias }

  package var activations: Activations { Activations([0, 2]) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 3 && inputs[0] == inputs[2] && inputs[1] == Shape(inputs[0].c, 1, 3, 3),
      "DepthwiseConvGradients: \(inputs) are not x, weight [c, 1, 3, 3] and gy")
    return inputs[..<2] + (hasBias ? [.vector(inputs[0].c)] : [])
  }

  /// The gradients of both factors take what the convolution takes.
  public func multiplyAdds(_ inputs: [Shape]) -> Int { 2 * DepthwiseConv().multiplyAdds(inputs) }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[2])
    parallelRanges(x.shape.c, grain: depthwiseGrain(x.shape)) { channels in
      for c in channels {
        var sums = DepthwiseChannelGradients(x.shape, taps: w.plane(c, 0))
        for n in 0..<x.shape.n {
          sums.add(x.plane(n, c), gy.plane(n, c), into: outputs[0].plane(n, c))
        }
        sums.write(to: outputs[1...], channel: c)
      }
    }
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    [
      configuration.traits.isCPU
        ? DepthwiseTiles(inputs[0]).scratch : DepthwiseRows(inputs[0]).scratch
    ]
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[2])
    let isCPU = backend.configuration.traits.isCPU
    let (tiles, rows) = (DepthwiseTiles(x.shape), DepthwiseRows(x.shape))
    let gradients = Array(outputs[1...])
    let defines = tiles.defines(backend.configuration)
      .merging(HalfDefines.of(x, into: outputs[0])) { $1 }
    let sweep = try backend.launch(
      Self.section, isCPU ? "depthwise_conv_backward" : "depthwise_conv_backward_groups",
      [.tensor(x), .tensor(w), .tensor(gy), .tensor(outputs[0]), .tensor(scratch[0])]
        + (isCPU ? tiles.arguments : rows.arguments(gradients, backend.configuration)),
      global: isCPU ? tiles.global : rows.global(backend.configuration),
      local: [isCPU ? 1 : backend.configuration.groupSize, 1, 1],
      defines: isCPU
        ? defines
        : defines.merging(
          ["ALIGNED": ProductTile.hasAlignedRows([x, gy, outputs[0]]) ? 1 : 0]) { $1 },
      multiplyAdds: multiplyAdds(inputs.map(\.shape)))
    if rows.isWhole && !isCPU { return [sweep] }
    return [
      sweep,
      try tiles.total(
        scratch[0], parts: isCPU ? tiles.count : rows.count, into: gradients, on: backend),
    ]
  }
}

extension DepthwiseConvGradients: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[2])
    let gx = ExactTensor(x.shape) { n, c, i, j in
      taps.reduce(0) { $0 + w[c, 0, $1.0, $1.1] * gy[n, c, i - $1.0 + 1, j - $1.1 + 1] }
    }
    let gw = ExactTensor(w.shape) { c, _, row, column in
      ExactTensor.sum(x.shape) { n, i, j in
        x[n, c, i, j] * gy[n, c, i - row + 1, j - column + 1]
      }
    }
    return [gx, gw] + (hasBias ? ChannelSum().definition([gy]) : [])
  }
}

/// How a GPU divides planes for the gradients: a work-group takes `rows` rows of a channel of an
/// image.
struct DepthwiseRows {
  private let shape: Shape
  private let rows: Int
  /// Groups of a plane.
  let count: Int

  init(_ shape: Shape) {
    self.shape = shape
    // Whole sweeps.
    rows = roundUp(min(shape.h, max(1, 16_384 / shape.w)), depthwiseSweep)
    count = ceilingQuotient(shape.h, rows)
  }

  /// Elements of all partial sums.
  var scratch: Int { DepthwiseTiles.sums * shape.n * shape.c * count }

  func global(_ configuration: KernelConfiguration) -> [Int] {
    [count * configuration.groupSize, shape.c, shape.n]
  }

  /// Whether there is but one group for a channel, whose sums are the gradients.
  var isWhole: Bool { shape.n * count == 1 }

  /// `gw, gbias, has_bias, channels, height, width, rows_per_group, across_bits` of the kernel.
  func arguments(
    _ gradients: [DeviceTensor], _ configuration: KernelConfiguration
  ) -> [KernelArgument] {
    let across = BlockGrid.powerOfTwo(
      ceilingQuotient(shape.w, 4), atMost: min(32, configuration.groupSize))
    return [
      .tensor(gradients[0]), .tensor(gradients[gradients.count - 1]), .int(gradients.count - 1),
      .int(shape.c), .int(shape.h), .int(shape.w), .int(rows),
      .int(across.trailingZeroBitCount),
    ]
  }
}
