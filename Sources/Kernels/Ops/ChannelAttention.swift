import CLBackend
import CMicroKernels

/// Multi-head transposed attention (section 3.1): attention between channels instead of pixels.
///
/// Per image and head of `m = c / heads` channels, with rows normalised over pixels:
/// `G_ij = q_i . k_j / (max(|q_i|, 1e-12) max(|k_j|, 1e-12))`, `A = softmax_j(t G)`, `y = A v`.
///
/// Inputs: `qkv` `[n, 3 c, h, w]` (q, k and v are read through offsets), `t` `[heads]`. Outputs:
/// `y` `[n, c, h, w]`; `A` and `G` `[n, heads, m, m]` and the norms `[n, 2 c, 1, 1]` for the
/// backward pass.
///
/// Gradients: `ChannelAttentionBackward`, from the outputs behind the first.
///
/// Three steps: sums over pixels of all products of a head's rows (`HeadProducts`), the softmax of
/// a few hundred numbers, and a product of `A` with `v`. q, k and v are read where they lie in
/// `qkv`: nothing is split, transposed or normalised in memory.
package struct ChannelAttention: CatalogOp, HalfStoringOp {
  public static let name = "ChannelAttention"
  let heads: Int

  /// Attention with `heads` heads.
  public init(heads: Int) { self.heads = heads }

  /// Channels, heads and pixels of the test cases.
  static let testShapes: [(heads: Int, qkv: Shape)] = [
    (1, Shape(2, 12, 13, 17)), (2, Shape(1, 24, 9, 9)), (1, Shape(2, 9, 1, 1)),
    (3, Shape(2, 18, 3, 5)), (2, Shape(1, 96, 16, 16)), (1, Shape(1, 144, 9, 16)),
    (1, Shape(1, 30, 61, 67)),
  ]

  public static var cases: [OpCase] {
    testShapes.map {
      OpCase(
        ChannelAttention(heads: $0.heads), [$0.qkv, .vector($0.heads)], [.symmetric, .positive])
    }
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let qkv = inputs[0]
    precondition(
      qkv.c % (3 * heads) == 0 && inputs[1] == .vector(heads),
      "ChannelAttention: \(inputs) with \(heads) heads")
    let m = qkv.c / 3 / heads
    let matrix = Shape(qkv.n, heads, m, m)
    return [qkv.channels(qkv.c / 3), matrix, matrix, Shape(qkv.n, 2 * qkv.c / 3, 1, 1)]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    let c = inputs[0].c / 3
    return 2 * inputs[0].n * c * (c / heads) * inputs[0].plane
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return [nil, nil] }
    precondition(
      outputGradients.dropFirst().allSatisfy { $0 == nil },
      "ChannelAttention: only y is differentiated")
    return gy.graph.apply(
      ChannelAttentionBackward(heads: heads), node.inputs + node.outputs.dropFirst() + [gy])
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    [HeadProducts(inputs[0], heads: heads, on: .host).scratch]
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    [HeadProducts(inputs[0], heads: heads, on: configuration.traits).scratch]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (qkv, t) = (inputs[0], inputs[1])
    let (y, a) = (outputs[0], outputs[1])
    let products = HeadProducts(qkv.shape, heads: heads, on: .host)
    let (c, m) = (qkv.shape.c / 3, products.m)
    products.evaluate(qkv, 0, qkv, heads, squares: true, into: scratch[0].base)
    parallelFor(qkv.shape.n * heads) { index in
      let (n, head) = (index / heads, index % heads)
      attentionWeights(
        sums: scratch[0].base + products.totals(n, head), m: m, t: t.base[head],
        weights: a.plane(n, head), cosines: outputs[2].plane(n, head),
        norms: (outputs[3].plane(n, head * m), outputs[3].plane(n, (heads + head) * m)),
        normStep: outputs[3].planeStride)
    }
    forEachPixelBlock(qkv.shape) { n, first, last in
      for head in 0..<heads {
        restormer_gemm(
          qkv.plane(n, 2 * c + head * m) + first, qkv.planeStride, a.plane(n, head), m, 1, nil, nil,
          0, y.plane(n, head * m) + first, y.planeStride, Int32(last - first), Int32(m), Int32(m))
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (qkv, t) = (inputs[0], inputs[1])
    let (y, a, g, norms) = (outputs[0], outputs[1], outputs[2], outputs[3])
    let shape = qkv.shape
    let products = HeadProducts(
      shape, heads: heads, on: backend.traits)
    let m = products.m
    let sums = try products.launches(qkv, 0, qkv, 1, squares: true, into: scratch[0], on: backend)
    return sums + [
      try products.softmax(
        scratch[0], products.sliceArguments(on: backend), t, a, g, norms, on: backend),
      try backend.headLaunch(
        "attention_apply",
        [.tensor(a), .tensor(qkv), .tensor(y), .int(shape.plane), .int(m), .int(heads)],
        along: [qkv, y], shape, heads: heads, m: m, multiplyAdds: products.multiplyAdds),
    ]
  }
}

extension ChannelAttention: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, t) = (inputs[0], inputs[1].values)
    let (s, c) = (x.shape, x.shape.c / 3)
    let (m, matrix) = (c / heads, Shape(s.n, heads, c / heads, c / heads))
    /// The sum over pixels of the product of two channels of an image.
    func dot(_ n: Int, _ a: Int, _ b: Int) -> Double {
      ExactTensor.sum(Shape(1, 1, s.h, s.w)) { x[n, a, $1, $2] * x[n, b, $1, $2] }
    }
    let (a, g, norms) = attentionDefinition(
      products: ExactTensor(matrix) { dot($0, $1 * m + $2, c + $1 * m + $3) },
      squares: ExactTensor(Shape(s.n, 2 * c, 1, 1)) { n, row, _, _ in dot(n, row, row) }, t: t)
    let y = ExactTensor(s.channels(c)) { n, o, i, j in
      let (head, row) = (o / m, o % m)
      return (0..<m).reduce(0) { $0 + a[n, head, row, $1] * x[n, 2 * c + head * m + $1, i, j] }
    }
    return [y, a, g, norms]
  }
}

extension Graph {
  /// Channel attention over `qkv` `[n, 3 c, h, w]` with a `temperature` per head: `[n, c, h, w]`.
  public func channelAttention(_ qkv: Tensor, temperature: Tensor, heads: Int) -> Tensor {
    apply(ChannelAttention(heads: heads), [qkv, temperature])[0]
  }
}
