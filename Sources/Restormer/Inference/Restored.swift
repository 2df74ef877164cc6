/// A restored picture, and what was decided on the way.
public struct Restored<Picture: Sendable>: Sendable {
  /// The result; the picture as it was where that was left alone.
  public let picture: Picture
  /// What was decided.
  public let decision: RestoreDecision
}

/// What was decided about a picture while it was restored.
public struct RestoreDecision: Sendable, Equatable {
  /// Whether the picture looked sharp already, so that it was left as it was.
  public let isLeftAlone: Bool
  /// What the picture was taken for, where the weights are for pages of text alone.
  public let page: PageDecision?
  /// The exposure of the page, 0 to 1: the brightness of its paper, which the network was shown as
  /// white; 1 for a picture shown as it is.
  public let exposure: Float
  /// How it was cut, and what was done to fit it into memory.
  public let layout: RestoreLayout

  /// Whether the network was shown a brighter picture.
  public var isBrightened: Bool { exposure != 1 }

  /// What was decided in a few words, where not the whole picture was restored.
  public var exception: String? {
    if let page { return page.isLeftAlone || page.share < 0.995 ? page.outcome : nil }
    return isLeftAlone ? "sharp already: left as it is" : nil
  }
}

/// How pictures are shown to a network and what becomes of its results, as its weights say.
package struct PictureTreatment {
  /// How values were shifted and scaled in training.
  let normalization: ImageNormalization
  /// The orientations that training showed.
  let symmetries: [Symmetry]
  /// Whether the exposure of pages is corrected until their paper is white.
  let correctsExposure: Bool
  /// How many times as crisp a picture has to become to be worth changing; nil where everything is
  /// changed.
  let leastCrispnessGain: Double?
  /// Whether what is no blurred print is left as it is.
  let areForPages: Bool
  /// The side of the largest patches of training, where it is known.
  let trainingPatch: Int?

  /// Whether pages that lie on their side are turned for the network, which knows upright ones
  /// only.
  var turnsPages: Bool { areForPages && symmetries.allSatisfy { !$0.transposed } }

  /// The treatment that `weights` ask for.
  init(_ weights: ModelWeights) {
    (normalization, symmetries) = (weights.normalization, weights.symmetries)
    (correctsExposure, leastCrispnessGain) = (weights.correctsExposure, weights.leastCrispnessGain)
    (areForPages, trainingPatch) = (weights.areForPages, weights.trainingPatch)
  }

  /// No more than the normalisation of training.
  package init(_ normalization: ImageNormalization) {
    (self.normalization, symmetries) = (normalization, [.identity])
    (correctsExposure, leastCrispnessGain) = (false, nil)
    (areForPages, trainingPatch) = (false, nil)
  }
}
