import Basics

/// How clean images are damaged: for each kind a range of values and how often it happens.
public struct DegradationRecipe: Sendable, Hashable {
  /// One kind of damage in a recipe.
  public struct Step: Sendable, Hashable {
    /// The values, all equally likely, in the unit of `DegradationKind`.
    public let range: ClosedRange<Double>
    /// The share of images to which it is done, 0 to 1.
    public let probability: Double

    init(_ range: ClosedRange<Double>, _ probability: Double = 1) {
      (self.range, self.probability) = (range, probability)
    }
  }

  /// The name of the recipe that this one started from.
  let base: String
  /// What is done; kinds that are not in it never happen.
  public internal(set) var steps: [DegradationKind: Step]
  /// The share of images, 0 to 1, that stay sharp: they only get the weakest noise of the recipe.
  /// From them a network learns to leave good pages alone.
  public internal(set) var sharp: Double

  /// What a phone's photograph of a page looks like.
  public static let document = DegradationRecipe(
    base: "document",
    steps: [
      .motion: Step(3...9, 0.5), .defocus: Step(0.8...3, 0.95),
      .gaussianBlur: Step(0.4...1, 0.1), .downscale: Step(1.1...1.6, 0.2), .shot: Step(1...4, 0.2),
      .noise: Step(0.5...5), .jpeg: Step(60...95, 0.25),
    ], sharp: 0.12)

  /// Nothing at all, to start from.
  public static let none = DegradationRecipe(base: "none", steps: [:], sharp: 0)

  /// The recipes that have a name.
  static let named = [document, none]

  /// Chooses what is done to one image.
  ///
  /// Every kind takes as many random numbers whether it happens or not: changing one of them leaves
  /// the others' choices.
  package func draw(using generator: inout SplitMix64) -> Degradation {
    let staysSharp = Double(generator.nextUnit()) < sharp
    var values: [DegradationKind: Double] = [:]
    for kind in DegradationKind.allCases {
      let (chance, place) = (Double(generator.nextUnit()), Double(generator.nextUnit()))
      guard let step = steps[kind] else { continue }
      let (low, high) = (step.range.lowerBound, step.range.upperBound)
      if staysSharp {
        if kind == .noise { values[kind] = low }
      } else if chance < step.probability {
        let value = low + (high - low) * place
        values[kind] = kind == .jpeg ? value.rounded() : value
      }
    }
    let (turn, tilt) = (Double(generator.nextUnit()), Double(generator.nextUnit()))
    return Degradation(
      values: values, motionAngle: 180 * turn, rainAngle: 75 + 30 * tilt, seed: generator.next())
  }

  /// The choice that `seed` alone determines.
  package func degradation(seed: UInt64) -> Degradation {
    var generator = SplitMix64(seed: seed)
    return draw(using: &generator)
  }
}
