import Foundation

/// What is measured of two by two cells together: what tells blurred print from everything else.
struct PagePatch {
  /// What a blur of the restored patch leaves unexplained of the given one, as a share of its
  /// variance: little where the network only sharpened, much where it invented.
  private(set) var unexplained: Double
  /// The share of the pixel itself in that blur: 1 for what was sharp.
  let center: Double
  /// The sum of that blur.
  let sum: Double
  /// How many times as steep edges became.
  let crispness: Double
  /// The share of restored pixels that are as bright as the paper.
  let paper: Double
  /// The share of restored pixels that are neither ink nor paper.
  let between: Double
  /// How much darker than the paper the restored ink is, as a share.
  let contrast: Double
  /// The root of the mean square of the restored steps between neighbours.
  let step: Double
  private let variance: Double

  init(_ cells: [PageCell]) {
    let count = Double(max(1, cells.reduce(0) { $0 + $1.count }))
    let fit = cells.compactMap(\.blur).reduce(BlurSums(), +).fit()
    variance = max(fit?.variance ?? 0, 1e-9)
    unexplained = (fit?.residual ?? 0) / variance
    (center, sum) = (fit?.center ?? 1, fit?.sum ?? 1)
    crispness = cells.reduce(Crispness()) { $0 + $1.crispness }.gain
    step = (cells.reduce(0) { $0 + $1.steps } / count).squareRoot()
    let levels = Levels(cells)
    (paper, between, contrast) = (levels.paper, levels.between, levels.contrast)
  }

  /// Takes the noise of the picture out of what is unexplained.
  mutating func discount(noise: Double) {
    unexplained = max(0, unexplained * variance - noise) / max(variance - noise, 1e-9)
  }

  /// Whether there is anything at all.
  var isEmpty: Bool { step < PageLimits.emptyStep }

  /// Whether it looks like dark print on light paper, blurred or not.
  var isPrint: Bool {
    !isEmpty && contrast > PageLimits.leastContrast && paper > PageLimits.leastPaper
      && between < PageLimits.mostBetween
  }

  /// Whether it is print that was blurred and that the network sharpened and no more.
  var isBlurredPrint: Bool {
    isPrint && unexplained < PageLimits.mostUnexplained && center < PageLimits.mostCenter
      && PageLimits.sum.contains(sum) && crispness > PageLimits.leastCrispness
  }

  /// Whether it is surely something else, even in the middle of a blurred page.
  var isForeign: Bool {
    !isEmpty
      && (unexplained > PageLimits.foreignUnexplained || between > PageLimits.foreignBetween
        || center > PageLimits.foreignCenter || crispness < PageLimits.foreignCrispness)
  }
}

/// Where the measures of blurred print end, in the pictures of `Benchmarks/harmless.md`.
enum PageLimits {
  static let mostUnexplained = 0.02
  /// The variance of noise that is left in it: two levels of 255.
  static let usualNoise = 4.0 / (255 * 255)
  static let mostCenter = 0.58
  static let sum = 0.8...1.2
  static let leastCrispness = 1.3
  static let leastPaper = 0.6
  static let mostBetween = 0.2
  static let leastContrast = 0.2
  static let foreignUnexplained = 0.06
  static let foreignBetween = 0.3
  static let foreignCenter = 0.65
  static let foreignCrispness = 1.15
  static let emptyStep = 0.006
  /// The share of a picture's cells with something on them that has to be blurred print for the
  /// picture to be a page.
  static let leastShare = 0.25
  /// Cells that a large picture needs besides.
  static let leastCells = 8
}

/// Ink, paper and what lies between, of restored pixels.
private struct Levels {
  let paper: Double
  let between: Double
  let contrast: Double

  init(_ cells: [PageCell]) {
    var counts = [Int](repeating: 0, count: PageCell.levels)
    for cell in cells {
      for level in counts.indices { counts[level] += Int(cell.histogram[level]) }
    }
    let count = max(1, counts.reduce(0, +))
    func level(below share: Double) -> Double {
      var left = Int(share * Double(count))
      for level in counts.indices {
        left -= counts[level]
        if left < 0 { return Double(level) }
      }
      return Double(counts.count - 1)
    }
    let (ink, white) = (level(below: 0.02), level(below: 0.95))
    let range = white - ink
    contrast = range / max(1, white)
    func share(_ isIncluded: (Double) -> Bool) -> Double {
      let sum = counts.indices.reduce(0) { $0 + (isIncluded(Double($1)) ? counts[$1] : 0) }
      return Double(sum) / Double(count)
    }
    paper = share { $0 >= white - 0.1 * range - 0.5 }
    between = share { $0 > ink + 0.25 * range && $0 < white - 0.25 * range }
  }
}
