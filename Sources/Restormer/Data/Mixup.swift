import Basics
import Foundation

/// Batches mixed with themselves in another order, as Restormer's authors do for denoising:
/// x = l x + (1 - l) x', with one share l from Beta(beta, beta) for the whole batch.
public struct Mixup: Sendable, Hashable {
  /// Both parameters of the Beta distribution.
  public var beta: Double
  /// Leave every other batch, by chance, as it is.
  public var identity: Bool

  /// Mixing with shares from Beta(`beta`, `beta`).
  public init(beta: Double = 1.2, identity: Bool = false) {
    (self.beta, self.identity) = (beta, identity)
  }

  func mix(
    _ inputs: inout [Float], _ targets: inout [Float], count: Int,
    using generator: inout SplitMix64
  ) {
    if identity, generator.next() & 1 == 0 { return }
    let share = Float(Self.share(beta, &generator))
    var order = Array(0..<count)
    order.shuffle(using: &generator)
    inputs = Self.mixed(inputs, order, share)
    targets = Self.mixed(targets, order, share)
  }

  private static func mixed(_ values: [Float], _ order: [Int], _ share: Float) -> [Float] {
    let size = values.count / order.count
    var result = values
    for (item, other) in order.enumerated() {
      let (to, from) = (item * size, other * size)
      for i in 0..<size { result[to + i] = share * values[to + i] + (1 - share) * values[from + i] }
    }
    return result
  }

  /// A draw from Beta(a, a): the share of one of two Gamma draws in their sum.
  package static func share(_ a: Double, _ generator: inout SplitMix64) -> Double {
    let (x, y) = (logGamma(a, &generator), logGamma(a, &generator))
    return 1 / (1 + exp(y - x))
  }

  /// The logarithm of a draw from Gamma(a) by Marsaglia and Tsang's method: for a small `a` the
  /// draw itself underflows.
  private static func logGamma(_ a: Double, _ generator: inout SplitMix64) -> Double {
    if a < 1 {
      return logGamma(a + 1, &generator) + log(1 - Double(generator.nextUnit())) / a
    }
    let d = a - 1.0 / 3
    while true {
      let x = Double(GaussianNoise.normalPair(&generator).0)
      let v = pow(1 + x / (9 * d).squareRoot(), 3)
      let u = 1 - Double(generator.nextUnit())
      if v > 0, log(u) < 0.5 * x * x + d - d * v + d * log(v) { return log(d * v) }
    }
  }
}
