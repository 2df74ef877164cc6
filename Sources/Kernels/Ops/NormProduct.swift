import CLBackend

/// LayerNorm and the 1x1 convolution behind it: `y = W norm(x) (+ b)`.
///
/// Equal to `Conv1x1` of `LayerNorm`, whose result is neither stored nor read where groups of a GPU
/// multiply tiles: the sums over channels that the norm needs are taken from the tiles. Inputs: `x`
/// `[n, ci, h, w]`; weight and perhaps bias of the LayerNorm `[ci]`; `W` `[co, ci, 1, 1]` and, if
/// there is one, `b` `[co]`. Output: `[n, co, h, w]`.
///
/// With `d = x - x_0`, `r` a pixel's inverse deviation and `W' = W diag(w)`, centred it is
/// `r (W' d - mean(d) W' 1) + W b`: the product runs over raw values, and what the norm asks for is
/// put in afterwards, per pixel and per output channel.
package struct NormProduct: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "NormProduct"
  public static let section = "Conv1x1"
  private let norm: LayerNorm
  private let product: Conv1x1

  /// The operator.
  /// - Parameters:
  ///   - normBias: whether the LayerNorm is centred and has a bias.
  ///   - bias: whether the convolution has one.
  public init(normBias: Bool, bias: Bool) {
    (norm, product) = (LayerNorm(bias: normBias), Conv1x1(bias: bias))
  }

  public static var cases: [OpCase] {
    [(2, 5, 7, 13, 17), (1, 3, 4, 1, 1), (2, 48, 127, 9, 16), (1, 20, 6, 40, 33)].flatMap { sizes in
      [(false, false), (true, false), (false, true), (true, true)].map { normBias, bias in
        let (n, input, output, height, width) = sizes
        return OpCase(
          NormProduct(normBias: normBias, bias: bias),
          [Shape(n, input, height, width), .vector(input)] + (normBias ? [.vector(input)] : [])
            + [Shape(output, input, 1, 1)] + (bias ? [.vector(output)] : []))
      }
    }
  }

  package var activations: Activations { Activations() }

  private var normInputs: Int { norm.hasBias ? 3 : 2 }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let normalized = norm.outputShapes(Array(inputs[..<normInputs]))
    return product.outputShapes([normalized[0]] + inputs[normInputs...])
  }

  /// The normalised tensor, means and deviations, where the two operators run one after the other.
  private func scratch(_ x: Shape) -> [Int] {
    norm.outputShapes([x] + Array(repeating: .vector(x.c), count: normInputs - 1)).map {
      $0.n * $0.c * paddedPlaneStride($0)
    }
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] { scratch(inputs[0]) }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    configuration.traits.isCPU ? scratch(inputs[0]) : []
  }

  private func normalized<Storage>(
    _ x: Shape, _ scratch: [TensorView<Storage>]
  ) -> [TensorView<Storage>] {
    zip([x, x.channels(1), x.channels(1)], scratch).map { shape, memory in
      TensorView(
        memory.storage, offset: memory.offset, shape: shape,
        planeStride: paddedPlaneStride(shape))
    }
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let normalized = normalized(inputs[0].shape, scratch)
    norm.evaluate(Array(inputs[..<normInputs]), into: normalized, scratch: [])
    product.evaluate([normalized[0]] + inputs[normInputs...], into: outputs, scratch: [])
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    guard backend.traits.isCPU else {
      let (x, gamma, w, y) = (inputs[0], inputs[1], inputs[normInputs], outputs[0])
      let defines = [
        "ALIGNED": ProductTile.isAligned([x, y]) ? 1 : 0,
        "TILE_WIDE": ProductTile.isWide(x.shape.c, w, gamma) ? 1 : 0,
      ].merging(HalfDefines.of(x, into: y)) { $1 }
      let tile =
        try ProductTile.fitting(y.shape, on: backend, "norm_product_tiles", defines: defines) {
          $0.loadsColumns
        } ?? ProductTile.smallest(on: backend)
      return [
        try fused(
          inputs, into: y, tile, defines: tile.defines.merging(defines) { $1 }, on: backend)
      ]
    }
    let normalized = normalized(inputs[0].shape, scratch)
    return try norm.launches(
      Array(inputs[..<normInputs]), into: normalized, scratch: [], on: backend)
      + product.launches(
        [normalized[0]] + inputs[normInputs...], into: outputs, scratch: [], on: backend)
  }

  private func fused(
    _ inputs: [DeviceTensor], into y: DeviceTensor, _ tile: ProductTile, defines: [String: Int],
    on backend: OpenCLBackend
  ) throws -> Launch {
    let (x, w) = (inputs[0], inputs[normInputs])
    return try backend.launch(
      Self.section, "norm_product_tiles",
      [
        .tensor(x), .tensor(inputs[1]), .tensor(inputs[normInputs - 1]), .tensor(w),
        .tensor(product.hasBias ? inputs[normInputs + 1] : w), .tensor(y), .int(x.shape.plane),
        .int(x.shape.c), .int(y.shape.c), .float(LayerNorm.epsilon), .int(norm.hasBias ? 1 : 0),
        .int(product.hasBias ? 1 : 0),
      ],
      global: tile.global(y.shape),
      local: [tile.items, 1, 1],
      defines: defines,
      multiplyAdds: multiplyAdds(inputs.map(\.shape)))
  }
}

extension NormProduct: FusedOp {
  package func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor {
    let normalized = graph.layerNorm(
      inputs[0], weight: inputs[1], bias: norm.hasBias ? inputs[2] : nil)
    return graph.conv1x1(
      normalized, weight: inputs[normInputs],
      bias: product.hasBias ? inputs[normInputs + 1] : nil)
  }
}
