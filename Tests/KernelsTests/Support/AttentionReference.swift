import Kernels

/// Channel attention by the operator's definition, with its gradients.
struct AttentionReference {
  private let qkv: [Double]
  private let shape: Shape
  private let temperature: [Double]
  private let m: Int
  /// Norms of the rows of q and k: `[n, 2 c]`.
  let norms: [Double]
  /// Cosines and their softmax, `[n, heads, m, m]`.
  let cosines: [Double]
  let weights: [Double]
  /// The output `[n, c, h, w]`.
  let y: [Double]

  private var channels: Int { shape.c / 3 }

  init(_ qkv: [Double], _ shape: Shape, _ temperature: [Double]) {
    (self.qkv, self.shape, self.temperature) = (qkv, shape, temperature)
    m = shape.c / 3 / temperature.count
    let outputs = ChannelAttention(heads: temperature.count).definition([
      ExactTensor(shape, qkv), ExactTensor(.vector(temperature.count), temperature),
    ])
    (y, weights) = (outputs[0].values, outputs[1].values)
    (cosines, norms) = (outputs[2].values, outputs[3].values)
  }

  private func row(_ n: Int, _ c: Int) -> ArraySlice<Double> {
    let first = (n * shape.c + c) * shape.plane
    return qkv[first..<first + shape.plane]
  }

  private func norm(_ n: Int, _ c: Int) -> Double { norms[n * 2 * channels + c] }

  private func dot(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The gradients of `Σ gy y`, step by step through the definition.
  func gradient(_ gy: [Double]) -> (qkv: [Double], temperature: [Double]) {
    var result = [Double](repeating: 0, count: qkv.count)
    var scale = [Double](repeating: 0, count: temperature.count)
    for n in 0..<shape.n {
      for head in temperature.indices {
        scale[head] += addGradient(gy, n, head, to: &result)
      }
    }
    return (result, scale)
  }

  private func addGradient(
    _ gy: [Double], _ n: Int, _ head: Int, to result: inout [Double]
  ) -> Double {
    let matrix = (n * temperature.count + head) * m * m
    var share = 0.0
    for i in 0..<m {
      let (q, out) = (head * m + i, (n * channels + head * m + i) * shape.plane)
      let incoming = gy[out..<out + shape.plane]
      let a = weights[matrix + i * m..<matrix + (i + 1) * m]
      let ga = (0..<m).map { dot(incoming, row(n, 2 * channels + head * m + $0)) }
      let mean = zip(a, ga).reduce(0) { $0 + $1.0 * $1.1 }
      for j in 0..<m {
        let (k, v) = (channels + head * m + j, 2 * channels + head * m + j)
        add(a[a.startIndex + j], incoming, n, v, to: &result)
        let logit = a[a.startIndex + j] * (ga[j] - mean)
        let cosine = cosines[matrix + i * m + j]
        share += logit * cosine
        let slope = logit * temperature[head] / norm(n, q) / norm(n, k)
        add(slope, row(n, k), n, q, to: &result)
        add(slope, row(n, q), n, k, to: &result)
        for row in [q, k] where norm(n, row) > 1e-12 {
          let along = -logit * temperature[head] * cosine / norm(n, row) / norm(n, row)
          add(along, self.row(n, row), n, row, to: &result)
        }
      }
    }
    return share
  }

  private func add(
    _ factor: Double, _ values: ArraySlice<Double>, _ n: Int, _ c: Int, to result: inout [Double]
  ) {
    let first = (n * shape.c + c) * shape.plane
    for (p, value) in values.enumerated() { result[first + p] += factor * value }
  }
}
