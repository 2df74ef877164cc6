import Basics
import Foundation

/// White Gaussian noise that is added to clean images on the fly, as denoisers are trained.
public struct GaussianNoise: Sendable, Hashable {
  /// How the deviation, in levels of 255, is chosen for each patch.
  public enum Level: Sendable, Hashable {
    /// Always the same.
    case constant(Double)
    /// Anything between two numbers.
    case random(from: Double, to: Double)
    /// One of a list.
    case choice([Double])
  }

  /// The deviation.
  public let level: Level

  /// Noise of `level`.
  /// - Throws: `DataError` for a deviation that is negative or not finite, an empty list, a turned
  ///   range.
  public init(_ level: Level) throws {
    let deviations: [Double] =
      switch level {
      case .constant(let value): [value]
      case .random(let low, let high): [low, high]
      case .choice(let values): values
      }
    guard !deviations.isEmpty, deviations.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw DataError("noise deviation \(deviations), expected numbers from 0 up")
    }
    if case .random(let low, let high) = level, low > high {
      throw DataError("noise deviation from \(low) to \(high), expected a rising range")
    }
    self.level = level
  }

  /// Adds noise to values in [0, 1]; the result is not clamped.
  func add(to pixels: inout [Float], using generator: inout SplitMix64) {
    Self.add(deviation: draw(&generator), to: &pixels, using: &generator)
  }

  /// Adds noise of `deviation` levels of 255.
  static func add(
    deviation: Double, to pixels: inout [Float], using generator: inout SplitMix64
  ) {
    let deviation = Float(deviation / 255)
    var index = 0
    while index < pixels.count {
      let (first, second) = normalPair(&generator)
      pixels[index] += deviation * first
      if index + 1 < pixels.count { pixels[index + 1] += deviation * second }
      index += 2
    }
  }

  private func draw(_ generator: inout SplitMix64) -> Double {
    switch level {
    case .constant(let value): value
    case .random(let low, let high): low + (high - low) * Double(generator.nextUnit())
    case .choice(let values): values[Int(generator.next() % UInt64(values.count))]
    }
  }

  /// Two independent standard normal numbers, by Box and Muller.
  static func normalPair(_ generator: inout SplitMix64) -> (Float, Float) {
    // 1 - u is above 0: its logarithm is finite.
    let radius = (-2 * log(1 - generator.nextUnit())).squareRoot()
    let angle = 2 * Float.pi * generator.nextUnit()
    return (radius * cos(angle), radius * sin(angle))
  }
}
