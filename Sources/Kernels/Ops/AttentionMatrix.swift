import CLBackend
import CMicroKernels

/// Channel attention and the projection behind it as one matrix: `M = W_o A`, so that
/// `W_o (A v) = M v`.
///
/// `A` is block-diagonal: per head the softmax of `ChannelAttention`. Inputs: the sums of
/// `AttentionGram`, the temperatures `[heads]` and `W_o` `[c, c, 1, 1]`. Output: `M`
/// `[c, c, 1, 1]`.
///
/// One small product takes the place of one over all pixels: `W_o` is multiplied into the attention
/// weights, so that the projection and the residual are what remains.
package struct AttentionMatrix: CatalogOp, TerminalOp {
  public static let name = "AttentionMatrix"
  public static let section = "ChannelAttention"
  private let heads: Int
  private let slices: Int

  /// The matrix of `heads` heads from sums in `slices` slices.
  public init(heads: Int, slices: Int) { (self.heads, self.slices) = (heads, slices) }

  public static var cases: [OpCase] {
    [(1, 4, 3), (2, 10, 1), (3, 18, 4), (2, 96, 2)].map { heads, c, slices in
      let op = AttentionMatrix(heads: heads, slices: slices)
      let sums = Shape(1, 1, 1, op.products(c).scratch)
      return OpCase(op, [sums, .vector(heads), Shape(c, c, 1, 1)], [.positive, .positive])
    }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let w = inputs[2]
    precondition(
      w.n == w.c && w.plane == 1 && w.c % heads == 0 && inputs[1] == .vector(heads)
        && inputs[0] == Shape(1, 1, 1, products(w.c).scratch),
      "AttentionMatrix: \(inputs) with \(heads) heads")
    return [w]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    inputs[2].c * inputs[2].c * (inputs[2].c / heads)
  }

  private func products(_ c: Int) -> HeadProducts {
    HeadProducts(m: c / heads, heads: heads, images: 1, pixels: slices, slices: slices)
  }

  /// Totals of the sums; attention weights; cosines; norms, those of q and those of k.
  private func scratch(_ inputs: [Shape]) -> [Int] {
    let (c, m) = (inputs[2].c, inputs[2].c / heads)
    return [heads * products(c).count, c * m, c * m, 2 * c]
  }

  /// The totals of the sums, the attention weights, their cosines and the norms.
  public func cpuScratch(_ inputs: [Shape]) -> [Int] { scratch(inputs) }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    scratch(inputs)
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (w, y) = (inputs[2], outputs[0])
    let c = w.shape.c
    let products = products(c)
    let (m, count) = (products.m, products.count)
    products.total(inputs[0].base, into: scratch[0].base, step: count)
    parallelFor(heads) { head in
      let weights = scratch[1].base + head * m * m
      attentionWeights(
        sums: scratch[0].base + head * count, m: m, t: inputs[1].base[head], weights: weights,
        cosines: scratch[2].base + head * m * m,
        norms: (scratch[3].base + head * m, scratch[3].base + c + head * m), normStep: 1)
      restormer_gemm(
        weights, m, w.base + head * m, c, 1, nil, nil, 0, y.base + head * m, c, Int32(m), Int32(m),
        Int32(c))
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let c = inputs[2].shape.c
    let products = products(c)
    let m = products.m
    let matrix = { (view: DeviceTensor) in
      TensorView(view.storage, offset: view.offset, shape: Shape(1, heads, m, m))
    }
    let norms = TensorView(
      scratch[3].storage, offset: scratch[3].offset, shape: Shape(1, 2 * c, 1, 1))
    let configuration = backend.configuration
    let columns = configuration.blockVectors * configuration.vectorWidth
    let isCPU = configuration.traits.isCPU
    // A GPU has many items and few rows.
    let rows = isCPU ? configuration.fittingBlockRows(c) : 2
    let isAligned = m % 4 == 0 && (scratch[1].offset | outputs[0].offset) % 4 == 0
    let totals =
      isCPU
      ? [try products.totals(inputs[0], into: scratch[0], step: products.count, on: backend)] : []
    return totals + [
      try products.softmax(
        isCPU ? scratch[0] : inputs[0],
        isCPU ? [.int(1), .int(1)] : products.sliceArguments(on: backend), inputs[1],
        matrix(scratch[1]), matrix(scratch[2]), norms, on: backend),
      try backend.launch(
        Self.section, "attention_project",
        [
          .region(scratch[1]), .tensor(inputs[2]), .tensor(outputs[0]), .int(m), .int(heads),
          .int(rows),
        ],
        global: [ceilingQuotient(m, columns), ceilingQuotient(c, rows), heads],
        local: isCPU ? [1, 1, 1] : [16, 4, 1],
        defines: ["BLOCK_ROWS": rows, "ALIGNED": !isCPU && isAligned ? 1 : 0],
        multiplyAdds: multiplyAdds(inputs.map(\.shape))),
    ]
  }
}

extension AttentionMatrix: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (sums, w) = (inputs[0].values, inputs[2])
    let (m, count) = (products(w.shape.c).m, products(w.shape.c).count)
    /// A sum of a head, added up over the slices.
    func total(_ head: Int, _ index: Int) -> Double {
      (0..<slices).reduce(0) { $0 + sums[(head * slices + $1) * count + index] }
    }
    let a = attentionDefinition(
      products: ExactTensor(Shape(1, heads, m, m)) { total($1, $2 * m + $3) },
      squares: ExactTensor(Shape(1, 2 * w.shape.c, 1, 1)) { _, row, _, _ in
        let (side, head) = (row / w.shape.c, row % w.shape.c / m)
        return total(head, (m + side) * m + row % m)
      }, t: inputs[1].values
    ).weights
    return [
      ExactTensor(w.shape) { o, column, _, _ in
        let (head, j) = (column / m, column % m)
        return (0..<m).reduce(0) { $0 + w[o, head * m + $1, 0, 0] * a[0, head, $1, j] }
      }
    ]
  }
}
