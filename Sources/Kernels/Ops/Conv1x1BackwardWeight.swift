import CLBackend
import CMicroKernels

/// Weight gradient of a 1x1 convolution: `gW[o, i] = sum_{n, p} gy[n, o, p] x[n, i, p]`.
///
/// Inputs: `x` `[n, ci, h, w]`, `gy` `[n, co, h, w]`; output `[co, ci, 1, 1]`. A product over many
/// pixels: slices of pixels are summed apart, then the partial sums in a fixed order. They may be
/// left to `SliceSums`: the output is then `[1, 1, slices, co ci]`.
///
/// The weight is small and the pixels are many, which turns the shape of a product around: there
/// are few outputs, and each is a long sum. So pixels are cut into slices for all cores to share; a
/// CPU transposes panels of one factor, so that its loads are whole vectors, a GPU sums squares of
/// the weight in registers (`PixelProducts`).
package struct Conv1x1BackwardWeight: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "Conv1x1BackwardWeight"
  public static let section = "Conv1x1"

  private let sliceLength: Int?

  /// The gradient, or the sums over slices of `sliceLength` pixels.
  public init(sliceLength: Int? = nil) { self.sliceLength = sliceLength }

  public static var cases: [OpCase] {
    [
      (2, 5, 7, 13, 17), (1, 3, 4, 1, 1), (2, 24, 29, 9, 16), (1, 9, 6, 50, 67),
      (1, 50, 49, 5, 7), (1, 70, 9, 5, 60),
    ].flatMap { n, input, output, height, width in
      [nil, 256].map {
        OpCase(
          Conv1x1BackwardWeight(sliceLength: $0),
          [Shape(n, input, height, width), Shape(n, output, height, width)], tolerance: 2e-5)
      }
    }
  }

  package var activations: Activations { Activations([0, 1], into: []) }

  /// The form that leaves its slices, if a GPU makes several.
  func leavingSlices(_ inputs: [Shape], on traits: DeviceTraits) -> Conv1x1BackwardWeight? {
    let products = products(inputs[0], inputs[1], on: traits)
    return products.slices > 1 ? Conv1x1BackwardWeight(sliceLength: products.length) : nil
  }

  private func products(_ x: Shape, _ gy: Shape, on traits: DeviceTraits) -> PixelProducts {
    guard let sliceLength else { return PixelProducts(gy.c, x.c, pixels: x.plane, on: traits) }
    return PixelProducts(gy.c, x.c, pixels: x.plane, length: sliceLength, on: traits)
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let (x, gy) = (inputs[0], inputs[1])
    precondition(x.channels(1) == gy.channels(1), "Conv1x1BackwardWeight: \(inputs) differ")
    guard let sliceLength else { return [Shape(gy.c, x.c, 1, 1)] }
    return [Shape(1, 1, ceilingQuotient(x.plane, sliceLength), gy.c * x.c)]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { inputs[0].count * inputs[1].c }

  /// A sum of the weight's gradient for each slice of pixels.
  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    let (x, gy) = (inputs[0], inputs[1])
    return sliceLength != nil ? [] : [ProductSlices(x, gy).count * x.c * gy.c]
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let (x, gy) = (inputs[0], inputs[1])
    guard sliceLength == nil else { return [] }
    guard configuration.traits.isCPU else {
      return [products(x, gy, on: configuration.traits).slices * x.c * gy.c]
    }
    return [ProductPanels(x, gy, configuration).scratch]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, gy, gw) = (inputs[0], inputs[1], outputs[0])
    if let sliceLength { return evaluateSlices(x, gy, length: sliceLength, into: gw) }
    let slices = ProductSlices(x.shape, gy.shape)
    let (columns, count) = (x.shape.c, gw.shape.count)
    parallelFor(slices.count * slices.strips) { index in
      let (s, row) = (index / slices.strips, index % slices.strips * slices.rows)
      let rows = min(slices.rows, gy.shape.c - row)
      let sum = scratch[0].base + s * count + row * columns
      sum.update(repeating: 0, count: rows * columns)
      let first = s * slices.length
      for n in 0..<x.shape.n {
        restormer_outer(
          gy.plane(n, row) + first, gy.planeStride, x.plane(n, 0) + first, x.planeStride, sum,
          columns, Int32(min(slices.length, x.shape.plane - first)), Int32(columns), Int32(rows))
      }
    }
    sumSlices(scratch[0].base, slices: slices.count, count: count, into: gw.base)
  }

  private func evaluateSlices(
    _ x: CPUTensor, _ gy: CPUTensor, length: Int, into partial: CPUTensor
  ) {
    let count = partial.shape.w
    parallelFor(partial.shape.h) { s in
      let (sum, first) = (partial.base + s * count, s * length)
      sum.update(repeating: 0, count: count)
      for n in 0..<x.shape.n {
        restormer_outer(
          gy.plane(n, 0) + first, gy.planeStride, x.plane(n, 0) + first, x.planeStride, sum,
          x.shape.c, Int32(min(length, x.shape.plane - first)), Int32(x.shape.c),
          Int32(gy.shape.c))
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, gy) = (inputs[0], inputs[1])
    if sliceLength != nil { return [try tiles(x, gy, outputs[0], on: backend)] }
    guard backend.traits.isCPU else {
      let slices = products(x.shape, gy.shape, on: backend.traits).slices
      // A single slice is the sum.
      if slices == 1 { return [try tiles(x, gy, outputs[0], on: backend)] }
      return [
        try tiles(x, gy, scratch[0], on: backend),
        try sum(
          scratch[0], outputs[0], slices: slices, pitch: x.shape.c, isTransposed: false,
          on: backend),
      ]
    }
    let panels = ProductPanels(x.shape, gy.shape, backend.configuration)
    return [
      try blocks(x, gy, scratch[0], panels, on: backend),
      try sum(
        scratch[0], outputs[0], slices: panels.slices, pitch: panels.pitch,
        isTransposed: panels.isTransposed, on: backend),
    ]
  }

  /// The partial sums added up.
  private func sum(
    _ partial: DeviceTensor, _ gw: DeviceTensor, slices: Int, pitch: Int, isTransposed: Bool,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let (o, i) = (gw.shape.n, gw.shape.c)
    let (rows, columns) = isTransposed ? (i, o) : (o, i)
    let isCPU = backend.traits.isCPU
    return try backend.launch(
      Self.section, "conv1x1_backward_weight_sum",
      [
        .region(partial), .tensor(gw), .int(rows), .int(columns), .int(pitch), .int(slices),
        .int(isTransposed ? 1 : i), .int(isTransposed ? i : 1),
      ],
      global: [ceilingQuotient(columns, backend.configuration.elementWidth), rows],
      local: isCPU ? [1, 32] : [64, 1])
  }

  /// The partial sums from transposed panels and blocks of registers, for a CPU.
  private func blocks(
    _ x: DeviceTensor, _ gy: DeviceTensor, _ partial: DeviceTensor, _ panels: ProductPanels,
    on backend: OpenCLBackend
  ) throws -> Launch {
    let (left, right) = panels.isTransposed ? (x, gy) : (gy, x)
    return try backend.launch(
      Self.section, "conv1x1_backward_weight",
      [
        .tensor(left), .tensor(right), .region(partial), .int(x.shape.plane), .int(left.shape.c),
        .int(right.shape.c), .int(x.shape.n), .int(panels.length), .int(panels.rows),
        .int(panels.panelsPerItem), .int(panels.pitch),
      ],
      global: [panels.columns, panels.strips, panels.slices], local: [1, 1, 1],
      defines: panels.block.defines.merging(HalfDefines.of(x)) { $1 },
      multiplyAdds: multiplyAdds([x.shape, gy.shape]))
  }

  /// The partial sums from tiles in local memory, for a GPU.
  private func tiles(
    _ x: DeviceTensor, _ gy: DeviceTensor, _ partial: DeviceTensor, on backend: OpenCLBackend
  ) throws -> Launch {
    let tiles = products(x.shape, gy.shape, on: backend.traits)
    return try backend.launch(
      Self.section, "conv1x1_backward_weight_tiles",
      [
        .tensor(x), .tensor(gy), .region(partial), .int(x.shape.plane), .int(x.shape.c),
        .int(gy.shape.c), .int(x.shape.n), .int(tiles.length),
      ],
      global: [PixelProducts.group * tiles.columns, tiles.rows, tiles.slices],
      local: [PixelProducts.group, 1, 1],
      defines: tiles.defines(reading: [x, gy]).merging(HalfDefines.of(x)) { $1 },
      multiplyAdds: multiplyAdds([x.shape, gy.shape]))
  }
}

extension Conv1x1BackwardWeight: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, gy) = (inputs[0], inputs[1])
    return [
      ExactTensor(Shape(gy.shape.c, x.shape.c, 1, 1)) { o, i, _, _ in
        ExactTensor.sum(x.shape) { n, v, u in gy[n, o, v, u] * x[n, i, v, u] }
      }
    ]
  }
}
