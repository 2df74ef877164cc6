import CMicroKernels
import Foundation

/// The least norm of a row of q or k: a row of zeros has no direction.
let attentionNormFloor: Float = 1e-12

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
    norms.q[i * normStep] = max(squares[i].squareRoot(), attentionNormFloor)
    norms.k[i * normStep] = max(squares[m + i].squareRoot(), attentionNormFloor)
  }
  for i in 0..<m {
    for j in 0..<m {
      cosines[i * m + j] = sums[i * m + j] / norms.q[i * normStep] / norms.k[j * normStep]
    }
    restormer_softmax(cosines + i * m, t, weights + i * m, m)
  }
}

/// Attention weights, cosines and norms by definition.
/// - Parameters:
///   - products: of the rows of q and k over pixels, `[n, heads, m, m]`.
///   - squares: of the rows of q, then of those of k, `[n, 2 heads m, 1, 1]`.
///   - t: the temperature of each head.
func attentionDefinition(
  products: ExactTensor, squares: ExactTensor, t: [Double]
) -> (weights: ExactTensor, cosines: ExactTensor, norms: ExactTensor) {
  let (matrix, m) = (products.shape, products.shape.w)
  let norms = ExactTensor(
    squares.shape, squares.values.map { max($0.squareRoot(), Double(attentionNormFloor)) })
  let cosines = ExactTensor(matrix) { n, head, i, j in
    products[n, head, i, j] / norms[n, head * m + i, 0, 0]
      / norms[n, (matrix.c + head) * m + j, 0, 0]
  }
  let weights = ExactTensor(matrix) { n, head, i, j in
    // The softmax, divided by its own numerator.
    1 / (0..<m).reduce(0) { $0 + exp(t[head] * (cosines[n, head, i, $1] - cosines[n, head, i, j])) }
  }
  return (weights, cosines, norms)
}
