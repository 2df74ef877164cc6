import Foundation

/// Norms, cosines and attention weights of one head from its sums over pixels.
/// - Parameters:
///   - sums: products of the rows `[m][m]`, then the squares of the left and of the right rows.
///   - norms: where the norms of q and k go, `normStep` apart.
func attentionWeights(
  sums: UnsafePointer<Float>, m: Int, t: Float, weights: UnsafeMutablePointer<Float>,
  cosines: UnsafeMutablePointer<Float>,
  norms: (q: UnsafeMutablePointer<Float>, k: UnsafeMutablePointer<Float>), normStep: Int
) {
  let squares = sums + m * m
  for i in 0..<m {
    norms.q[i * normStep] = max(squares[i].squareRoot(), 1e-12)
    norms.k[i * normStep] = max(squares[m + i].squareRoot(), 1e-12)
  }
  for i in 0..<m {
    for j in 0..<m {
      cosines[i * m + j] = sums[i * m + j] / norms.q[i * normStep] / norms.k[j * normStep]
    }
    let row = UnsafeMutableBufferPointer(start: weights + i * m, count: m)
    for j in 0..<m { row[j] = t * cosines[i * m + j] }
    let largest = row.max() ?? 0
    for j in 0..<m { row[j] = exp(row[j] - largest) }
    let total = row.reduce(0, +)
    for j in 0..<m { row[j] /= total }
  }
}
