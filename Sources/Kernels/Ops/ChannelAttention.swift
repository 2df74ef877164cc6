import CLBackend
import CMicroKernels
import Foundation

/// Multi-head transposed attention (section 3.1): attention between channels instead of pixels.
///
/// Per image and head of `m = c / heads` channels, with rows normalised over pixels:
/// `G_ij = q_i . k_j / (max(|q_i|, 1e-12) max(|k_j|, 1e-12))`, `A = softmax_j(t G)`, `y = A v`.
///
/// Inputs: `qkv` `[n, 3 c, h, w]` (q, k and v are read through offsets), `t` `[heads]`. Outputs: `y` `[n, c, h, w]`; `A` and
/// `G` `[n, heads, m, m]` and the norms `[n, 2 c, 1, 1]` for the backward pass.
public struct ChannelAttention: CatalogOp {
  public static let name = "ChannelAttention"
  private let heads: Int

  /// Attention with `heads` heads.
  public init(heads: Int) { self.heads = heads }

  /// Channels, heads and pixels of the test cases.
  static let testShapes: [(heads: Int, qkv: Shape)] = [
    (1, Shape(2, 12, 13, 17)), (2, Shape(1, 24, 9, 9)), (1, Shape(2, 9, 1, 1)),
    (3, Shape(2, 18, 3, 5)), (2, Shape(1, 96, 16, 16)), (1, Shape(1, 30, 61, 67)),
  ]

  public static var cases: [OpCase] {
    testShapes.map {
      OpCase(
        ChannelAttention(heads: $0.heads), [$0.qkv, .vector($0.heads)], [.symmetric, .positive])
    }
  }

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

  public func cpuScratch(_ inputs: [Shape]) -> [Int] { [gramScratch(inputs[0], heads: heads)] }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    cpuScratch(inputs)
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (qkv, t) = (inputs[0], inputs[1])
    let (y, a, g, norms) = (outputs[0], outputs[1], outputs[2], outputs[3])
    let (c, m) = (qkv.shape.c / 3, qkv.shape.c / 3 / heads)
    parallelFor(qkv.shape.n * 2 * c) { index in
      let row = qkv.plane(index / (2 * c), index % (2 * c))
      norms.plane(index / (2 * c), index % (2 * c))[0] =
        max(blockedDot(row, row, qkv.shape.plane).squareRoot(), 1e-12)
    }
    headProducts(qkv, 0, qkv, heads, heads: heads, m: m, into: g, partial: scratch[0].base)
    for n in 0..<qkv.shape.n {
      for head in 0..<heads {
        softmaxRows(n: n, head: head, m: m, norms: norms, t: t.base[head], g: g, a: a)
      }
    }
    forEachPixelBlock(qkv.shape) { n, first, last in
      for head in 0..<heads {
        restormer_gemm(
          qkv.plane(n, 2 * c + head * m) + first, qkv.planeStride, a.plane(n, head), m, 1, nil, nil,
          0, y.plane(n, head * m) + first, y.planeStride, Int32(last - first), Int32(m), Int32(m))
      }
    }
  }

  private func softmaxRows(
    n: Int, head: Int, m: Int, norms: CPUTensor, t: Float, g: CPUTensor, a: CPUTensor
  ) {
    let (cosines, weights) = (g.plane(n, head), a.plane(n, head))
    for i in 0..<m {
      let q = norms.plane(n, head * m + i)[0]
      for j in 0..<m {
        cosines[i * m + j] = cosines[i * m + j] / q / norms.plane(n, (heads + head) * m + j)[0]
      }
      let row = UnsafeMutableBufferPointer(start: weights + i * m, count: m)
      for j in 0..<m { row[j] = t * cosines[i * m + j] }
      let largest = row.max() ?? 0
      for j in 0..<m { row[j] = exp(row[j] - largest) }
      let total = row.reduce(0, +)
      for j in 0..<m { row[j] /= total }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (qkv, t) = (inputs[0], inputs[1])
    let (y, a, g, norms) = (outputs[0], outputs[1], outputs[2], outputs[3])
    let shape = qkv.shape
    let (c, m) = (shape.c / 3, shape.c / 3 / heads)
    let products = Double(multiplyAdds([shape]))
    return [
      try backend.launch(
        Self.name, "attention_norms",
        [.tensor(qkv), .tensor(norms), .int(shape.plane), .int(c)],
        global: [2 * c, shape.n], local: [1, 1], bytes: 8 * Double(shape.n * c * shape.plane)),
      try backend.headProducts(qkv, 0, qkv, 1, heads: heads, m: m, partial: scratch[0]),
      try backend.launch(
        Self.name, "attention_softmax",
        [
          .region(scratch[0]), .tensor(norms), .tensor(t), .tensor(a), .tensor(g), .int(m),
          .int(heads), .int(sliceCount(shape.plane)),
        ],
        global: [m, shape.n * heads], local: [1, 1]),
      try backend.launch(
        Self.name, "attention_apply",
        [.tensor(a), .tensor(qkv), .tensor(y), .int(shape.plane), .int(m), .int(heads)]
          + [.int(backend.headRows(m))],
        global: backend.headGrid(shape, heads: heads, m: m, parts: 1),
        local: backend.columnGroup, flops: products, bytes: 8 * Double(shape.n * c * shape.plane)),
    ]
  }
}

extension Graph {
  /// Channel attention over `qkv` `[n, 3 c, h, w]` with a `temperature` per head: `[n, c, h, w]`.
  public func channelAttention(_ qkv: Tensor, temperature: Tensor, heads: Int) -> Tensor {
    apply(ChannelAttention(heads: heads), [qkv, temperature])[0]
  }
}
