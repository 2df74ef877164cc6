import Foundation
import Kernels

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

  /// A draw from Beta(a, a) by Jöhnk's method.
  static func share(_ a: Double, _ generator: inout SplitMix64) -> Double {
    while true {
      let x = pow(Double(generator.nextUnit()), 1 / a)
      let y = pow(Double(generator.nextUnit()), 1 / a)
      if x + y <= 1, x + y > 0 { return x / (x + y) }
    }
  }
}
