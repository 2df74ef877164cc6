import CLBackend
import CMicroKernels

/// Gradients of `ChannelAttention`.
///
/// `dA = gy v^T`, `dS = A (dA - sum_j A dA)`, `dt = sum dS G`, and with
/// `P_ij = t dS_ij / (|q_i| |k_j|)`, `C = t dS G` (elementwise):
/// `dq_i = sum_j P_ij k_j - q_i sum_j C_ij / |q_i|^2`,
/// `dk_j = sum_i P_ij q_i - k_j sum_i C_ij / |k_j|^2`, `dv = A^T gy`. Where a norm was raised to
/// 1e-12 its own term vanishes.
///
/// Inputs: `qkv` `[n, 3 c, h, w]`, `t` `[heads]`, `A`, `G` `[n, heads, m, m]`, norms
/// `[n, 2 c, 1, 1]`, `gy` `[n, c, h, w]`. Outputs: the gradients of `qkv` and `t`.
///
/// The sums `gy_i . v_j` come the way those of the forward pass do; the small matrices follow from
/// them, and one sweep over the pixels gives the gradients of q, k and v.
package struct ChannelAttentionBackward: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "ChannelAttentionBackward"
  public static let section = "ChannelAttention"
  private let heads: Int

  /// The gradient of attention with `heads` heads.
  public init(heads: Int) { self.heads = heads }

  public static var cases: [OpCase] {
    ChannelAttention.testShapes.map { heads, qkv in
      let (c, m) = (qkv.c / 3, qkv.c / 3 / heads)
      let matrix = Shape(qkv.n, heads, m, m)
      return OpCase(
        ChannelAttentionBackward(heads: heads),
        [qkv, .vector(heads), matrix, matrix, Shape(qkv.n, 2 * c, 1, 1), qkv.channels(c)],
        [.symmetric, .positive, .unit, .symmetric, .positive, .symmetric], tolerance: 2e-5)
    }
  }

  package var activations: Activations { Activations([0, 5]) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 6 && inputs[5] == inputs[0].channels(inputs[0].c / 3),
      "ChannelAttentionBackward: inputs \(inputs)")
    return [inputs[0], inputs[1]]
  }

  /// Three products of `m x m` matrices with pixels for the gradients, one over pixels for that of
  /// the matrix: twice the two of attention itself.
  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    2 * ChannelAttention(heads: heads).multiplyAdds(inputs)
  }

  /// The sums of `gy` with v; for each image and head P, C and the shares of the temperature's
  /// gradient; and the factors of q and k.
  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let products = HeadProducts(
      inputs[0], heads: heads, on: configuration.traits)
    let (m, matrices) = (products.m, inputs[0].n * heads)
    return [products.scratch, matrices * (2 * m * m + m), matrices * 2 * m]
  }

  /// The sums of `gy` with v, P, and the factors of q and k.
  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    let products = HeadProducts(inputs[0], heads: heads, on: .host)
    let (m, matrices) = (products.m, inputs[0].n * heads)
    return [products.scratch, matrices * m * m, matrices * 2 * m]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (qkv, gy) = (inputs[0], inputs[5])
    let products = HeadProducts(qkv.shape, heads: heads, on: .host)
    let m = products.m
    let p = CPUTensor(
      scratch[1].storage, offset: scratch[1].offset, shape: Shape(qkv.shape.n, heads, m, m))
    products.evaluate(gy, 0, qkv, 2 * heads, squares: false, into: scratch[0].base)
    let factors = scratch[2].base
    let gt = outputs[1].base
    gt.update(repeating: 0, count: heads)
    for n in 0..<qkv.shape.n {
      for head in 0..<heads {
        gt[head] += small(
          inputs, n: n, head: head, m: m, scratch[0].base + products.totals(n, head),
          p.plane(n, head), factors)
      }
    }
    apply(inputs, m: m, p: p, factors: factors, into: outputs[0])
  }

  /// `P` of one head from its `dA`, and the factors of q and k; returns the temperature's gradient.
  private func small(
    _ inputs: [CPUTensor], n: Int, head: Int, m: Int, _ ga: UnsafeMutablePointer<Float>,
    _ p: UnsafeMutablePointer<Float>, _ factors: UnsafeMutablePointer<Float>
  ) -> Float {
    let (t, norms) = (inputs[1].base[head], inputs[4])
    let (a, g) = (inputs[2].plane(n, head), inputs[3].plane(n, head))
    let own = factors + (n * heads + head) * 2 * m
    own.update(repeating: 0, count: 2 * m)
    var temperature: Float = 0
    for i in 0..<m {
      let q = norms.plane(n, head * m + i)[0]
      var mean: Float = 0
      for j in 0..<m { mean += a[i * m + j] * ga[i * m + j] }
      for j in 0..<m {
        let k = norms.plane(n, (heads + head) * m + j)[0]
        let gradient = a[i * m + j] * (ga[i * m + j] - mean)
        let along = gradient * g[i * m + j]
        temperature += along
        own[i] -= q > attentionNormFloor ? t * along / q / q : 0
        own[m + j] -= k > attentionNormFloor ? t * along / k / k : 0
        p[i * m + j] = t * gradient / q / k
      }
    }
    return temperature
  }

  private func apply(
    _ inputs: [CPUTensor], m: Int, p: CPUTensor, factors: UnsafeMutablePointer<Float>,
    into out: CPUTensor
  ) {
    let (qkv, a, gy) = (inputs[0], inputs[2], inputs[5])
    forEachPixelBlock(qkv.shape) { n, first, last in
      let count = Int32(last - first)
      for head in 0..<heads {
        let (q, k, v) = (head * m, (heads + head) * m, (2 * heads + head) * m)
        let own = factors + (n * heads + head) * 2 * m
        restormer_gemm(
          qkv.plane(n, k) + first, qkv.planeStride, p.plane(n, head), m, 1, nil, nil, 0,
          out.plane(n, q) + first, out.planeStride, count, Int32(m), Int32(m))
        restormer_gemm(
          qkv.plane(n, q) + first, qkv.planeStride, p.plane(n, head), 1, m, nil, nil, 0,
          out.plane(n, k) + first, out.planeStride, count, Int32(m), Int32(m))
        restormer_gemm(
          gy.plane(n, q) + first, gy.planeStride, a.plane(n, head), 1, m, nil, nil, 0,
          out.plane(n, v) + first, out.planeStride, count, Int32(m), Int32(m))
        for i in 0..<m {
          addScaled(qkv.plane(n, q + i), own[i], to: out.plane(n, q + i), first..<last)
          addScaled(qkv.plane(n, k + i), own[m + i], to: out.plane(n, k + i), first..<last)
        }
      }
    }
  }

  private func addScaled(
    _ x: UnsafeMutablePointer<Float>, _ scale: Float, to y: UnsafeMutablePointer<Float>,
    _ range: Range<Int>
  ) {
    for index in range { y[index] += scale * x[index] }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (qkv, t, a, g, norms, gy) = (
      inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]
    )
    let shape = qkv.shape
    let products = HeadProducts(
      shape, heads: heads, on: backend.traits)
    let m = products.m
    let (partial, small, factors) = (scratch[0], scratch[1], scratch[2])
    let sums = try products.launches(gy, 0, qkv, 2, squares: false, into: partial, on: backend)
    return sums + [
      try HeadProducts.rowLaunch(
        "attention_backward_softmax",
        [
          .region(partial), .tensor(norms), .tensor(t), .tensor(a), .tensor(g), .region(small),
          .region(factors), .int(m), .int(heads),
        ] + products.sliceArguments(on: backend), rows: m, copies: shape.n * heads, on: backend),
      try HeadProducts.rowLaunch(
        "attention_backward_columns",
        [
          .region(small), .tensor(norms), .region(factors), .tensor(outputs[1]), .int(m),
          .int(heads), .int(shape.n),
        ], rows: 1, copies: heads, on: backend),
      try backend.headLaunch(
        "attention_backward_apply",
        [
          .tensor(qkv), .tensor(a), .tensor(gy), .region(small), .region(factors),
          .tensor(outputs[0]), .int(shape.plane), .int(m), .int(heads),
        ],
        along: [qkv, gy, outputs[0]], shape, heads: heads, m: m, parts: 3,
        multiplyAdds: 3 * products.multiplyAdds),
    ]
  }
}

extension ChannelAttentionBackward: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, t, a, g, norms, gy) = (
      inputs[0], inputs[1].values, inputs[2], inputs[3], inputs[4], inputs[5]
    )
    let (c, m) = (gy.shape.c, a.shape.w)
    let ga = ExactTensor(a.shape) { n, head, i, j in
      ExactTensor.sum(Shape(1, 1, x.shape.h, x.shape.w)) {
        gy[n, head * m + i, $1, $2] * x[n, 2 * c + head * m + j, $1, $2]
      }
    }
    let gs = ExactTensor(a.shape) { n, head, i, j in
      let mean = (0..<m).reduce(0) { $0 + a[n, head, i, $1] * ga[n, head, i, $1] }
      return a[n, head, i, j] * (ga[n, head, i, j] - mean)
    }
    let p = ExactTensor(a.shape) { n, head, i, j in
      t[head] * gs[n, head, i, j] / norms[n, head * m + i, 0, 0] / norms[n, c + head * m + j, 0, 0]
    }
    // What a row's own norm adds, for the rows of q and then those of k.
    let own = ExactTensor(norms.shape) { n, row, _, _ in
      let (head, i, norm) = (row % c / m, row % m, norms[n, row, 0, 0])
      guard norm > Double(attentionNormFloor) else { return 0 }
      let sum = (0..<m).reduce(0.0) { sum, j in
        let place = row < c ? (i, j) : (j, i)
        return sum + gs[n, head, place.0, place.1] * g[n, head, place.0, place.1]
      }
      return t[head] * sum / norm / norm
    }
    let gx = ExactTensor(x.shape) { n, row, y, u in
      let (head, i, first) = (row % c / m, row % m, row % c / m * m)
      let norm = row < 2 * c ? own[n, row, 0, 0] * x[n, row, y, u] : 0
      return (0..<m).reduce(-norm) { sum, j in
        switch row / c {
        case 0: sum + p[n, head, i, j] * x[n, c + first + j, y, u]
        case 1: sum + p[n, head, j, i] * x[n, first + j, y, u]
        default: sum + a[n, head, j, i] * gy[n, first + j, y, u]
        }
      }
    }
    let gt = (0..<heads).map { head in
      ExactTensor.sum(a.shape) { gs[$0, head, $1, $2] * g[$0, head, $1, $2] }
    }
    return [gx, ExactTensor(.vector(heads), gt)]
  }
}
