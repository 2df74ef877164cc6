import CLBackend
import CMicroKernels

/// Input gradient of `LayerNorm`, with `g = gy w`: with bias `gx = r (g - mean g - h mean(g h))`,
/// `h = (x - mu) r`; without `gx = r g - r^3 (x - mu) mean(g x)`.
///
/// Inputs: `x` `[n, c, h, w]`, `w` `[c]`, `mu` and `r` `[n, 1, h, w]`, `gy` as `x` and, if asked
/// for, an addend as `x`; output as `x`.
///
/// Two sums over the channels of a pixel and one pass that uses them; an addend, such as the
/// gradient that came around the norm, is added where the result is stored.
package struct LayerNormBackwardInput: CatalogOp, TerminalOp, SummingOp, HalfStoringOp {
  public static let name = "LayerNormBackwardInput"
  public static let section = "LayerNorm"
  private let hasBias: Bool

  private let hasAddend: Bool

  /// The gradient of the operator with or without bias; a last input is added to it if `addend`.
  public init(bias: Bool, addend: Bool = false) { (hasBias, hasAddend) = (bias, addend) }

  public static var cases: [OpCase] {
    LayerNorm.testShapes.flatMap { x in
      [(true, false), (false, false), (true, true), (false, true)].map { bias, addend in
        OpCase(
          LayerNormBackwardInput(bias: bias, addend: addend),
          [x, .vector(x.c), x.channels(1), x.channels(1), x] + (addend ? [x] : []),
          [.symmetric, .symmetric, .symmetric, .positive])
      }
    }
  }

  package var activations: Activations { Activations([0, 4] + (hasAddend ? [5] : [])) }

  public var withAddend: (any Op)? {
    hasAddend ? nil : LayerNormBackwardInput(bias: hasBias, addend: true)
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == (hasAddend ? 6 : 5) && inputs[4...].allSatisfy { $0 == inputs[0] },
      "LayerNormBackwardInput: inputs \(inputs)")
    return [inputs[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, w, mean, rstd, gy) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])
    let gx = outputs[0]
    forEachPixelBlock(x.shape) { n, first, last in
      restormer_layer_norm_backward_input(
        x.plane(n, 0) + first, x.planeStride, w.base, mean.plane(n, 0) + first,
        rstd.plane(n, 0) + first, gy.plane(n, 0) + first, gy.planeStride, gx.plane(n, 0) + first,
        gx.planeStride, last - first, x.shape.c, hasBias ? 1 : 0)
      guard hasAddend else { return }
      for c in 0..<x.shape.c {
        let (sum, addend) = (gx.plane(n, c), inputs[5].plane(n, c))
        for p in first..<last { sum[p] += addend[p] }
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let arguments =
      (inputs + (hasAddend ? [] : [inputs[0]]) + outputs).map(KernelArgument.tensor) + [
        .int(shape.plane), .int(shape.c), .int(hasBias ? 1 : 0), .int(hasAddend ? 1 : 0),
      ]
    let halves = HalfDefines.of(inputs[0], into: outputs[0])
    let groupKernel = "layer_norm_backward_input_groups"
    if let groups = try NormGroups.fitting(
      shape.c, kernel: groupKernel, on: backend, defines: halves)
    {
      return [
        try backend.launch(
          Self.section, groupKernel, arguments, global: groups.global(shape), local: groups.local,
          defines: groups.defines.merging(halves) { $1 })
      ]
    }
    let configuration = backend.configuration
    let vectors = LayerNorm.vectors(configuration)
    return [
      try backend.launch(
        Self.section, "layer_norm_backward_input", arguments,
        global: [ceilingQuotient(shape.plane, vectors * configuration.vectorWidth), shape.n],
        local: [configuration.traits.isCPU ? 1 : configuration.groupSize, 1], defines: halves)
    ]
  }
}

extension LayerNormBackwardInput: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w, gy) = (inputs[0], inputs[1].values, inputs[4])
    return [
      ExactTensor(x.shape) { n, c, i, j in
        let (mu, r) = (inputs[2][n, 0, i, j], inputs[3][n, 0, i, j])
        func g(_ c: Int) -> Double { gy[n, c, i, j] * w[c] }
        func centred(_ c: Int) -> Double { x[n, c, i, j] - mu }
        func mean(_ f: (Int) -> Double) -> Double {
          (0..<x.shape.c).reduce(0) { $0 + f($1) } / Double(x.shape.c)
        }
        let own = hasBias ? g(c) - mean(g) : g(c)
        let along: (Int) -> Double = hasBias ? centred : { x[n, $0, i, j] }
        return r * own - r * r * r * centred(c) * mean { g($0) * along($0) }
          + (hasAddend ? inputs[5][n, c, i, j] : 0)
      }
    ]
  }
}

/// Weight and bias gradients of `LayerNorm`: `gw[c] = sum gy (x - mu) r` (without bias
/// `sum gy x r`), `gb[c] = sum gy`, sums over images and pixels.
///
/// Inputs: `x` `[n, c, h, w]`, `mu` and `r` `[n, 1, h, w]`, `gy` as `x`; outputs `[c]` each.
///
/// Sums over all pixels, in slices that are added up in order; a single slice is the sum.
package struct LayerNormBackwardWeight: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "LayerNormBackwardWeight"
  public static let section = "LayerNorm"
  private let hasBias: Bool

  /// The gradients of the operator with or without bias.
  public init(bias: Bool) { hasBias = bias }

  public static var cases: [OpCase] {
    LayerNorm.testShapes.flatMap { x in
      [true, false].map { bias in
        OpCase(
          LayerNormBackwardWeight(bias: bias), [x, x.channels(1), x.channels(1), x],
          [.symmetric, .symmetric, .positive, .symmetric], tolerance: 2e-5)
      }
    }
  }

  package var activations: Activations { Activations([0, 3], into: []) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 4 && inputs[0] == inputs[3], "LayerNormBackwardWeight: inputs \(inputs)")
    return Array(repeating: .vector(inputs[0].c), count: hasBias ? 2 : 1)
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    [slices(inputs[0], configuration).count * 2 * inputs[0].c]
  }

  /// Slices of the pixels, on a GPU as many as keep the work of a group short.
  private func slices(
    _ x: Shape, _ configuration: KernelConfiguration
  ) -> (count: Int, length: Int) {
    guard !configuration.traits.isCPU else { return (sliceCount(x.plane), sliceLength(x.plane)) }
    let length = max(64, 16_384 / x.n)
    return (ceilingQuotient(x.plane, length), length)
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, mean, rstd, gy) = (inputs[0], inputs[1], inputs[2], inputs[3])
    parallelFor(x.shape.c) { c in
      var (weight, bias) = (Lanes.zero, Lanes.zero)
      for n in 0..<x.shape.n {
        let (px, pg) = (x.plane(n, c), gy.plane(n, c))
        let (pm, pr) = (mean.plane(n, 0), rstd.plane(n, 0))
        for p in stride(from: 0, to: x.shape.plane, by: 16) {
          let inside = Self.inside(x.shape.plane - p)
          let g = pg.lanes(p).replacing(with: 0, where: .!inside)
          let d = px.lanes(p) - (hasBias ? pm.lanes(p) : .zero)
          weight += (g * d * pr.lanes(p)).replacing(with: 0, where: .!inside)
          bias += g
        }
      }
      outputs[0].base[c] = weight.sum()
      if hasBias { outputs[1].base[c] = bias.sum() }
    }
  }

  private static func inside(_ count: Int) -> SIMDMask<SIMD16<Int32>> {
    SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
      .< SIMD16<Int32>(repeating: Int32(min(count, 16)))
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let slices = slices(shape, backend.configuration)
    let items = backend.traits.isCPU ? 1 : backend.configuration.groupSize
    let results: [KernelArgument] = [
      .tensor(outputs[0]), .tensor(outputs[hasBias ? 1 : 0]),
    ]
    let sums = try backend.launch(
      Self.section, "layer_norm_backward_weight",
      inputs.map(KernelArgument.tensor) + [.region(scratch[0])] + results + [
        .int(shape.plane), .int(shape.c), .int(shape.n), .int(slices.length),
        .int(hasBias ? 1 : 0),
      ],
      global: [items * shape.c, slices.count], local: [items, 1],
      defines: HalfDefines.of(inputs[0]))
    // A single slice is the sum.
    guard slices.count > 1 else { return [sums] }
    return [
      sums,
      try backend.launch(
        Self.section, "layer_norm_backward_weight_sum",
        [.region(scratch[0])] + results
          + [.int(shape.c), .int(slices.count), .int(hasBias ? 1 : 0)],
        global: [shape.c]),
    ]
  }
}

extension LayerNormBackwardWeight: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, mu, r, gy) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let gw = ExactTensor(.vector(x.shape.c)) { _, c, _, _ in
      ExactTensor.sum(x.shape) { n, i, j in
        gy[n, c, i, j] * (x[n, c, i, j] - (hasBias ? mu[n, 0, i, j] : 0)) * r[n, 0, i, j]
      }
    }
    return [gw] + (hasBias ? ChannelSum().definition([gy]) : [])
  }
}
