import Foundation
import Kernels

/// Channel attention by its definition, in double precision, with every intermediate.
struct AttentionReference {
  private let qkv: [Double]
  private let shape: Shape
  private let temperature: [Double]
  private let m: Int
  /// Norms of the rows of q and k, at least 1e-12: `[n, 2 c]`.
  private(set) var norms: [Double] = []
  /// Cosines and their softmax, `[n, heads, m, m]`.
  private(set) var cosines: [Double] = []
  private(set) var weights: [Double] = []
  /// The output `[n, c, h, w]`.
  private(set) var y: [Double] = []

  private var channels: Int { shape.c / 3 }

  init(_ qkv: [Double], _ shape: Shape, _ temperature: [Double]) {
    (self.qkv, self.shape, self.temperature) = (qkv, shape, temperature)
    m = shape.c / 3 / temperature.count
    norms = (0..<shape.n * 2 * channels).map { index in
      let row = row(index / (2 * channels), index % (2 * channels))
      return max(row.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
    }
    for n in 0..<shape.n { for head in temperature.indices { attend(n, head) } }
  }

  private func row(_ n: Int, _ c: Int) -> ArraySlice<Double> {
    let first = (n * shape.c + c) * shape.plane
    return qkv[first..<first + shape.plane]
  }

  private mutating func attend(_ n: Int, _ head: Int) {
    let values = (0..<m).map { row(n, 2 * channels + head * m + $0) }
    for i in head * m..<(head + 1) * m {
      let logits = (head * m..<(head + 1) * m).map { j in
        dot(row(n, i), row(n, channels + j)) / norm(n, i) / norm(n, channels + j)
      }
      cosines += logits
      let largest = logits.map { $0 * temperature[head] }.max() ?? 0
      let powers = logits.map { exp($0 * temperature[head] - largest) }
      let total = powers.reduce(0, +)
      weights += powers.map { $0 / total }
      var sum = [Double](repeating: 0, count: shape.plane)
      for (power, value) in zip(powers, values) {
        for (p, v) in value.enumerated() { sum[p] += power / total * v }
      }
      y += sum
    }
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
