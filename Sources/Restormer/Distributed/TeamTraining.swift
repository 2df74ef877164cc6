import Foundation
import Kernels

extension TrainingOptions {
  /// - Throws: `RankError` on a rank whose program, options or data are not those of rank 0.
  func agree(in team: Team) throws {
    guard team.size > 1 else { return }
    try team.agree(on: "options", yaml)
    try team.agree(on: "training data", try ValidationSet(data).mark)
    if let validation { try team.agree(on: "validation data", try ValidationSet(validation).mark) }
  }

  /// The parameters that a rank begins with; those of rank 0 take their place.
  func firstValues(of model: RestormerModel, in team: Team) throws -> [Float] {
    team.isFirst
      ? try startValues(of: model) : [Float](repeating: 0, count: model.parameterExtent)
  }
}

extension BatchLosses {
  /// The means over a team, each rank's of equal weight.
  func mean(over team: Team) throws -> BatchLosses {
    let sums = try team.sums([l1, l2, loss]).map { $0 / Double(team.size) }
    return BatchLosses(l1: sums[0], l2: sums[1], loss: sums[2])
  }
}

extension RunProgress {
  /// Where rank 0 stands.
  func shared(in team: Team) throws -> RunProgress {
    let lines = metadata.map { "\($0)\t\($1)" }.joined(separator: "\n")
    let pairs = try team.shared(lines).split(separator: "\n").map {
      $0.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    }
    guard
      let progress = RunProgress(
        metadata: Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0[1]) }))
    else { throw RankError("the state of the run did not arrive from rank 0") }
    return progress
  }
}

/// What a training engine goes on with.
struct EngineState {
  var values: [Float]
  /// The moving average of the weights, where one is kept.
  var averaged: [Float]?
  var first: [Float]
  var second: [Float]
}

extension TrainingEngine {
  /// Takes everything that rank 0 has learned; nothing but its first parameters where that is nil.
  func restore(_ state: EngineState?, in team: Team) throws {
    guard try team.any(state != nil) else {
      if team.size > 1 { try restore(values: team.shared(try values())) }
      return
    }
    let hasAverage = try team.any(state?.averaged != nil)
    try restore(
      values: try team.shared(state?.values ?? []),
      averaged: hasAverage ? try team.shared(state?.averaged ?? []) : nil,
      first: try team.shared(state?.first ?? []), second: try team.shared(state?.second ?? []))
  }
}

/// The scores of a validation's pairs, of which each rank finds some.
struct SharedScores {
  private static let fields = 5
  private var numbers: [Double]

  init(count: Int) { numbers = [Double](repeating: 0, count: Self.fields * count) }

  /// The scores of a pair that this rank restored.
  subscript(index: Int) -> Scores {
    get {
      let start = Self.fields * index
      return Scores(
        psnr: numbers[start + 1], ssim: numbers[start + 2], l1: numbers[start + 3],
        l2: numbers[start + 4])
    }
    set {
      let values = [1, newValue.psnr, newValue.ssim, newValue.l1, newValue.l2]
      numbers.replaceSubrange(Self.fields * index..<Self.fields * (index + 1), with: values)
    }
  }

  /// The scores that any rank found, in the order of the pairs: their means are those of one
  /// process, to the bit.
  func gathered(in team: Team) throws -> [Scores] {
    var all = self
    // Each pair has zeros on all ranks but one, so that nothing is rounded.
    all.numbers = try team.sums(numbers)
    return stride(from: 0, to: all.numbers.count, by: Self.fields)
      .filter { all.numbers[$0] > 0 }.map { all[$0 / Self.fields] }
  }
}

extension Image {
  /// The image that rank `owner` has, if it has one, on every rank.
  static func shared(_ image: Image?, from owner: Int, in team: Team) throws -> Image? {
    guard team.size > 1 else { return image }
    let head = [image?.width, image?.height, image?.channels].map { Float($0 ?? 0) }
    let values = try team.shared(head + (image?.pixels ?? []), from: owner)
    guard values[0] > 0 else { return nil }
    return Image(
      width: Int(values[0]), height: Int(values[1]), channels: Int(values[2]),
      pixels: Array(values.dropFirst(3)))
  }
}
