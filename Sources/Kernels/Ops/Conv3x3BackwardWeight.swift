import CLBackend

/// Weight gradient of a 3x3 convolution:
/// `gW[o, i, j, k] = sum_{n, v, u} gy[n, o, v, u] x[n, i, v + j - 1, u + k - 1]`.
///
/// Inputs: `x` `[n, ci, h, w]`, `gy` `[n, co, h, w]`; output `[co, ci, 3, 3]`.
///
/// Like the weight gradient of a 1x1 convolution it is few long sums. A CPU transposes a patch of
/// `x` with its margin once and multiplies it nine times, shifted (`TransposedStrips`,
/// `PatchPanels`); on a GPU a group goes down a strip of pixels, of which it holds three rows of
/// `x` and one of `gy` (`ConvolutionSums`).
package struct Conv3x3BackwardWeight: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "Conv3x3BackwardWeight"
  public static let section = "Conv3x3"

  /// The operator; it has no attributes.
  public init() {}

  public static var cases: [OpCase] {
    [
      (2, 3, 7, 13, 17), (1, 3, 4, 1, 1), (1, 2, 3, 1, 9), (1, 2, 3, 9, 1), (1, 5, 6, 16, 16),
      (2, 4, 5, 40, 35), (2, 9, 35, 19, 36), (1, 40, 3, 9, 10),
    ].map {
      OpCase(
        Conv3x3BackwardWeight(), [Shape($0.0, $0.1, $0.3, $0.4), Shape($0.0, $0.2, $0.3, $0.4)],
        tolerance: 2e-5)
    }
  }

  package var activations: Activations { Activations([0, 1], into: []) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let (x, gy) = (inputs[0], inputs[1])
    precondition(x.channels(1) == gy.channels(1), "Conv3x3BackwardWeight: \(inputs) differ")
    return [Shape(gy.c, x.c, 3, 3)]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { 9 * inputs[0].count * inputs[1].c }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    TransposedStrips(inputs[0], inputs[1]).scratch
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let (x, gy) = (inputs[0], inputs[1])
    guard configuration.traits.isCPU else {
      return [ConvolutionSums(x, outputs: gy.c, on: configuration.traits).scratch]
    }
    return [PatchPanels(x, gy, configuration).scratch]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let strips = TransposedStrips(inputs[0].shape, inputs[1].shape)
    strips.sum(inputs[0], inputs[1], panels: scratch[0].base, sums: scratch[1].base)
    strips.collect(scratch[1].base, into: outputs[0].base)
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, gy) = (inputs[0], inputs[1])
    return backend.traits.isCPU
      ? try panels(x, gy, into: outputs[0], partial: scratch[0], on: backend)
      : try tiles(x, gy, into: outputs[0], partial: scratch[0], on: backend)
  }

  /// Transposed patches and blocks of registers, for a CPU.
  private func panels(
    _ x: DeviceTensor, _ gy: DeviceTensor, into gw: DeviceTensor, partial: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let panels = PatchPanels(x.shape, gy.shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "conv3x3_backward_weight",
        [
          .tensor(x), .tensor(gy), .region(partial), .int(x.shape.h), .int(x.shape.w),
          .int(x.shape.c), .int(gy.shape.c), .int(x.shape.n), .int(panels.bandRows),
          .int(panels.strip), .int(panels.rows), .int(panels.across),
        ],
        global: panels.global, local: [1, 1, 1],
        defines: panels.block.defines.merging(HalfDefines.of(x)) { $1 },
        multiplyAdds: multiplyAdds([x.shape, gy.shape])),
      try backend.launch(
        Self.section, "conv3x3_backward_weight_sum",
        [
          .region(partial), .tensor(gw), .int(x.shape.c), .int(gy.shape.c), .int(panels.pitch),
          .int(panels.bands),
        ],
        global: [ceilingQuotient(x.shape.c, backend.configuration.elementWidth), gy.shape.c],
        local: [1, 16]),
    ]
  }

  /// Strips of pixels with all taps in registers, for a GPU.
  private func tiles(
    _ x: DeviceTensor, _ gy: DeviceTensor, into gw: DeviceTensor, partial: DeviceTensor,
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let sums = ConvolutionSums(x.shape, outputs: gy.shape.c, on: backend.traits)
    // A single slice is the sum.
    let target = sums.slices == 1 ? gw : partial
    let defines = ["ALIGNED": ProductTile.hasAlignedRows([x, gy]) ? 1 : 0]
      .merging(HalfDefines.of(x)) { $1 }
    let products = try backend.launch(
      Self.section, "conv3x3_backward_weight_tiles",
      [.tensor(x), .tensor(gy), .region(target)] + sums.arguments,
      global: sums.global, local: sums.local,
      defines: sums.defines.merging(defines) { $1 },
      multiplyAdds: multiplyAdds([x.shape, gy.shape]))
    guard sums.slices > 1 else { return [products] }
    return [
      products,
      try backend.launch(
        Self.section, "conv3x3_backward_weight_tiles_sum",
        [.region(partial), .tensor(gw), .int(gw.shape.count), .int(sums.slices)],
        global: [gw.shape.count], local: [64]),
    ]
  }
}

extension Conv3x3BackwardWeight: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, gy) = (inputs[0], inputs[1])
    return [
      ExactTensor(Shape(gy.shape.c, x.shape.c, 3, 3)) { o, i, j, k in
        ExactTensor.sum(x.shape) { n, v, u in gy[n, o, v, u] * x[n, i, v + j - 1, u + k - 1] }
      }
    ]
  }
}
