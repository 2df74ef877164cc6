/// The best validation of a run. Only scores of the same pairs can be compared.
package struct BestScore: Sendable, Hashable {
  /// Its mean peak signal-to-noise ratio in dB.
  package private(set) var psnr = -Double.infinity
  /// Its mean squared difference: blank pages make many a mean PSNR infinite.
  private var l2 = Double.infinity
  /// How many pairs were scored.
  private var pairs = 0
  /// The mark of the validation set; empty before the first validation.
  private(set) var set = ""

  /// No validation yet.
  package init() {}

  /// What a validation means for the best one.
  enum Verdict: Equatable {
    /// It is the best.
    case better
    /// It is not.
    case worse
    /// Pairs that were scored before could not be this time: nothing follows.
    case incomparable
  }

  /// Compares a validation of `pairs` pairs of the set with this one.
  func verdict(on scores: Scores, pairs: Int, of set: String) -> Verdict {
    guard set == self.set, pairs <= self.pairs else { return .better }
    guard pairs == self.pairs else { return .incomparable }
    return (scores.psnr, -scores.l2) > (psnr, -l2) ? .better : .worse
  }

  /// Takes a validation as the best.
  mutating func take(_ scores: Scores, pairs: Int, of set: String) {
    (psnr, l2, self.pairs, self.set) = (scores.psnr, scores.l2, pairs, set)
  }

  /// As pairs of text, exact.
  var metadata: [String: String] {
    ["best": "\(psnr)", "best l2": "\(l2)", "best pairs": "\(pairs)", "best set": set]
  }

  /// Reads what `metadata` gave; nil if anything is missing.
  init?(metadata: [String: String]) {
    guard let psnr = metadata["best"].flatMap({ Double($0) }) else { return nil }
    self.psnr = psnr
    // States of earlier versions know the score alone.
    l2 = metadata["best l2"].flatMap { Double($0) } ?? 0
    pairs = metadata["best pairs"].flatMap { Int($0) } ?? 0
    set = metadata["best set"] ?? ""
  }
}
