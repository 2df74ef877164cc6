import Kernels

/// A convolution of odd kernel size with zero padding by its definition, in double precision: every
/// product of one weight with one pixel, visited once.
struct ConvolutionReference {
  /// The input `[n, ci, h, w]`.
  let x: Shape
  /// The weight `[co, ci, k, k]`.
  let weight: Shape

  /// The output `[n, co, h, w]`.
  var y: Shape { x.channels(weight.n) }

  /// `y`, plus a number per output channel and an addend if given.
  func output(
    _ values: [Double], _ taps: [Double], bias: [Double]? = nil, residual: [Double]? = nil
  ) -> [Double] {
    var result = residual ?? [Double](repeating: 0, count: y.count)
    if let bias {
      for index in result.indices { result[index] += bias[index / y.plane % y.c] }
    }
    forEachProduct { result[$0] += taps[$1] * values[$2] }
    return result
  }

  /// The gradients of `Σ gy y` with respect to input, weight and bias.
  func gradients(
    _ values: [Double], _ taps: [Double], _ gy: [Double]
  ) -> (x: [Double], weight: [Double], bias: [Double]) {
    var gx = [Double](repeating: 0, count: x.count)
    var gw = [Double](repeating: 0, count: weight.count)
    var gb = [Double](repeating: 0, count: y.c)
    forEachProduct { out, tap, pixel in
      gx[pixel] += gy[out] * taps[tap]
      gw[tap] += gy[out] * values[pixel]
    }
    for (index, slope) in gy.enumerated() { gb[index / y.plane % y.c] += slope }
    return (gx, gw, gb)
  }

  /// Calls `body` with the places, in output, weight and input, of every product.
  private func forEachProduct(_ body: (_ output: Int, _ tap: Int, _ pixel: Int) -> Void) {
    let half = weight.h / 2
    for n in 0..<x.n {
      for o in 0..<y.c {
        for i in 0..<x.c {
          for ky in 0..<weight.h {
            for kx in 0..<weight.w {
              let tap = ((o * x.c + i) * weight.h + ky) * weight.w + kx
              for row in max(0, half - ky)..<max(max(0, half - ky), min(x.h, x.h + half - ky)) {
                let out = ((n * y.c + o) * x.h + row) * x.w
                let pixel = ((n * x.c + i) * x.h + row + ky - half) * x.w + kx - half
                let first = max(0, half - kx)
                for column in first..<max(first, min(x.w, x.w + half - kx)) {
                  body(out + column, tap, pixel + column)
                }
              }
            }
          }
        }
      }
    }
  }
}
