import Foundation
import Kernels

/// What was decided about a picture that a network for pages of text restored: blurred print gains
/// from it, everything else would lose, and is left as it is.
public struct PageDecision: Sendable, Equatable {
  /// What the picture is.
  public enum Kind: String, Sendable {
    /// A page of blurred print.
    case page
    /// A page whose print is sharp already.
    case sharpPage
    /// No page of text.
    case noPage
  }
  /// What the picture is.
  public let kind: Kind
  /// The share of the picture that was restored, 0 to 1.
  public let share: Double

  /// Whether the picture is left as it is.
  public var isLeftAlone: Bool { kind != .page }

  /// The decision in a few words.
  public var outcome: String {
    switch kind {
    case .sharpPage: "sharp already: left as it is"
    case .noPage: "no page of text: left as it is"
    case .page where share < 0.995:
      String(format: "restored where it is blurred text, %.0f %% of it", max(1, 100 * share))
    case .page: "a page of blurred text"
    }
  }

  /// The same, with the options that would change it.
  public var summary: String {
    switch kind {
    case .sharpPage: "\(outcome) (--even-sharp)"
    case .noPage: "\(outcome); -m takes weights for photographs (--even-sharp restores it)"
    case .page: outcome
    }
  }
}

extension ModelWeights {
  /// Whether the weights are for pages of text alone: what is no blurred print is left as it is
  /// unless asked otherwise.
  package var areForPages: Bool { correctsExposure && leastCrispnessGain != nil }
}

/// How much of a restored picture is kept, cell by cell.
struct PageMap {
  let decision: PageDecision
  /// Cells in a row.
  let columns: Int
  /// For each cell how much is kept, 0 to 1.
  let weights: [Float]
}

extension PageMap {
  /// Compares a picture with what the network made of it.
  ///
  /// Squares of 64 pixels, each half over the next, are judged by themselves. A cell of 32 is
  /// blurred print if one of the four squares over it is; it is foreign if at least half of them
  /// are; cells between follow their neighbours. A picture is a page if enough of it is blurred
  /// print.
  ///
  /// - Parameter illumination: the paper where it is not the same everywhere, which then does not
  ///   count.
  init<P: Picture>(_ picture: P, restored: P, illumination: Illumination?) {
    let grid = PatchGrid(picture, restored: restored, illumination)
    columns = grid.columns
    let votes = CellVotes(grid)
    let enough = min(PageLimits.leastCells, max(1, votes.occupied / 2))
    if votes.blurred >= enough, votes.blurredShare >= PageLimits.leastShare {
      weights = votes.spread()
      let share = Double(weights.reduce(0, +)) / Double(weights.count)
      decision = PageDecision(kind: .page, share: share)
    } else {
      weights = [Float](repeating: 0, count: grid.columns * grid.rows)
      decision = PageDecision(
        kind: votes.printShare >= 2 * PageLimits.leastShare ? .sharpPage : .noPage, share: 0)
    }
  }
}

/// The judged squares of a picture.
private struct PatchGrid {
  /// Cells in a row, and rows of them.
  let columns: Int
  let rows: Int
  /// Squares, `[max(1, rows - 1), max(1, columns - 1)]`.
  private(set) var patches: [PagePatch] = []
  var patchColumns: Int { max(1, columns - 1) }
  var patchRows: Int { max(1, rows - 1) }

  init<P: Picture>(_ picture: P, restored: P, _ illumination: Illumination?) {
    let side = PageCell.side
    columns = max(1, (picture.width + side - 1) / side)
    rows = max(1, (picture.height + side - 1) / side)
    let middle = picture.meanLuma(illumination)
    var noise: [Double] = []
    var above: [PageCell] = []
    for row in 0..<rows {
      let cells = Self.cells(
        picture, restored, illumination, row: row, columns: columns, middle: middle)
      noise += cells.map(\.noise)
      if row > 0 || rows == 1 { patches += Self.patches(above, cells, count: patchColumns) }
      above = cells
    }
    // The quietest parts show the noise itself. Paper that is cut off at white shows less of it,
    // and a little noise is in the limits already.
    let quiet = noise.sorted()[noise.count * 3 / 10]
    let excess = 1.5 * max(0, quiet - PageLimits.usualNoise)
    for i in patches.indices { patches[i].discount(noise: excess) }
  }

  private static func cells<P: Picture>(
    _ picture: P, _ restored: P, _ illumination: Illumination?, row: Int, columns: Int,
    middle: Float
  ) -> [PageCell] {
    let side = PageCell.side
    let lines = row * side..<min(picture.height, (row + 1) * side)
    let margin = BlurSums.radius
    let given = LumaStrip(picture, rows: lines, margin: margin, illumination: illumination)
    let made = LumaStrip(restored, rows: lines, margin: margin, illumination: illumination)
    return inParallel(columns) { column in
      PageCell(
        given, made, columns: column * side..<min(picture.width, (column + 1) * side),
        rows: lines.count, middle: middle)
    }
  }

  private static func patches(
    _ above: [PageCell], _ cells: [PageCell], count: Int
  ) -> [PagePatch] {
    inParallel(count) { column in
      let right = min(column + 2, cells.count)
      return PagePatch(
        Array(above[min(column, above.count)..<min(right, above.count)] + cells[column..<right]))
    }
  }
}

/// What `body` gives for every index, computed on all cores.
private func inParallel<Value>(_ count: Int, _ body: (Int) -> Value) -> [Value] {
  [Value](unsafeUninitializedCapacity: count) { values, initialized in
    let out = UnsafeMutableBufferPointer(rebasing: values[..<count])
    nonisolated(unsafe) let target = out
    parallelFor(count) { (target.baseAddress! + $0).initialize(to: body($0)) }
    initialized = count
  }
}

/// What the squares over each cell say of it.
private struct CellVotes {
  private enum Vote { case blurredPrint, foreign, open }
  private let columns: Int
  private let rows: Int
  private var votes: [Vote] = []
  /// Cells with something on them, those that are print, and those that are blurred print.
  private(set) var occupied = 0
  private var printed = 0
  private(set) var blurred = 0

  var blurredShare: Double { Double(blurred) / Double(max(1, occupied)) }
  var printShare: Double { Double(printed) / Double(max(1, occupied)) }

  init(_ grid: PatchGrid) {
    (columns, rows) = (grid.columns, grid.rows)
    for row in 0..<rows {
      for column in 0..<columns {
        var over: [PagePatch] = []
        for y in max(0, row - 1)...min(row, grid.patchRows - 1) {
          for x in max(0, column - 1)...min(column, grid.patchColumns - 1) {
            over.append(grid.patches[y * grid.patchColumns + x])
          }
        }
        add(over)
      }
    }
  }

  private mutating func add(_ over: [PagePatch]) {
    let isBlurred = over.contains(where: \.isBlurredPrint)
    let isForeign = 2 * over.filter(\.isForeign).count >= over.count
    if !over.allSatisfy(\.isEmpty) {
      occupied += 1
      if isBlurred { blurred += 1 }
      if over.contains(where: \.isPrint) { printed += 1 }
    }
    votes.append(isBlurred ? .blurredPrint : isForeign ? .foreign : .open)
  }

  /// How much of each cell is kept: open ones take the mean of their decided neighbours, the
  /// nearest first.
  func spread() -> [Float] {
    var known: [Float?] = votes.map { $0 == .open ? nil : $0 == .blurredPrint ? 1 : 0 }
    while known.contains(where: { $0 == nil }) {
      let before = known
      for row in 0..<rows {
        for column in 0..<columns where before[row * columns + column] == nil {
          let near = (max(0, row - 1)...min(row + 1, rows - 1)).flatMap { y in
            (max(0, column - 1)...min(column + 1, columns - 1)).compactMap {
              before[y * columns + $0]
            }
          }
          guard !near.isEmpty else { continue }
          known[row * columns + column] = near.reduce(0, +) / Float(near.count)
        }
      }
    }
    return known.map { $0 ?? 0 }
  }
}
