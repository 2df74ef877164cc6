import Foundation

/// What became of one run of a sweep.
package struct SweepResult: Sendable {
  /// How far a run is.
  package enum State: Sendable, Hashable {
    /// Its turn has not come.
    case waiting
    /// Asked to stop after so many steps.
    case stopped(step: Int)
    /// All steps are done.
    case finished
    /// It could not go on, for this reason.
    case failed(String)
  }

  /// A validation of the run.
  package struct Validation: Sendable, Hashable {
    /// Steps done.
    package let step: Int
    /// The means over the validation pairs.
    package let scores: Scores
  }

  /// The run.
  package let run: SweepRun
  /// How far it is.
  package var state: State
  /// Seconds it took, over all of its starts.
  package var seconds: Double
  /// Its validations, the newest last.
  package var validations: [Validation]

  /// The last validation.
  package var last: Validation? { validations.last }

  /// The validation of the highest PSNR.
  package var best: Validation? {
    validations.max { $0.scores.psnr < $1.scores.psnr }
  }
}

extension SweepResult.Validation {
  /// The validations in a run's `metrics.csv`; rows that cannot be read are left out.
  package static func read(_ path: String) -> [Self] {
    let text = String(decoding: (try? mappedFile(path)) ?? Data(), as: UTF8.self)
    let rows = text.split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    guard let header = rows.first else { return [] }
    return rows.dropFirst().compactMap { row in
      let fields = Dictionary(zip(header, row)) { first, _ in first }
      func number(_ key: String) -> Double? { fields[key].flatMap { Double($0) } }
      guard let step = fields["step"].flatMap({ Int($0) }), let psnr = number("psnr"),
        let ssim = number("ssim"), let l1 = number("val_l1"), let l2 = number("val_l2")
      else { return nil }
      return Self(step: step, scores: Scores(psnr: psnr, ssim: ssim, l1: l1, l2: l2))
    }
  }
}
