import Foundation

/// How overlapping tiles are merged.
public enum TileBlend: String, CaseIterable, Sendable {
  /// Weights fall off as a raised cosine over the overlap: no seam.
  case smooth
  /// The plain average of the official demo.
  case box
}

/// How an image is cut.
public enum TileSize: Sendable, Equatable {
  /// The largest tile that the device's memory holds; the whole image if possible.
  case automatic
  /// The whole image at once.
  case whole
  /// Squares of so many pixels, a multiple of 8.
  case pixels(Int)

  /// Whether the size is known whatever the memory.
  var isFixed: Bool { if case .pixels = self { true } else { false } }
}

/// Where the tiles of one image lie: every start and size is a multiple of 8.
struct TileGrid: Equatable {
  let width: Int
  let height: Int
  let tileWidth: Int
  let tileHeight: Int
  let xs: [Int]
  let ys: [Int]
  let overlap: Int

  /// Tiles of at most `tile` pixels, at least `overlap` of them shared by neighbours, over a padded
  /// image.
  init(width: Int, height: Int, tile: Int, overlap: Int, square: Bool) {
    (self.width, self.height) = (width, height)
    let side = min(tile, min(width, height))
    tileWidth = square ? side : min(tile, width)
    tileHeight = square ? side : min(tile, height)
    self.overlap = overlap
    xs = Self.starts(length: width, tile: tileWidth, overlap: overlap)
    ys = Self.starts(length: height, tile: tileHeight, overlap: overlap)
  }

  /// The official demo's positions: steps of `tile - overlap`, then one tile flush with the end.
  static func starts(length: Int, tile: Int, overlap: Int) -> [Int] {
    Array(stride(from: 0, to: length - tile, by: max(8, tile - overlap))) + [length - tile]
  }

  var count: Int { xs.count * ys.count }
}

/// The weight of each position along one side of the tile that starts at `starts[index]`.
///
/// Smooth: from the start of the overlap with the previous tile a raised cosine rises to 1, and
/// likewise falls towards the next. Box: 1 everywhere.
func blendWeights(starts: [Int], index: Int, tile: Int, blend: TileBlend) -> [Float] {
  var weights = [Float](repeating: 1, count: tile)
  guard blend == .smooth else { return weights }
  if index > 0 {
    let shared = starts[index - 1] + tile - starts[index]
    for i in 0..<max(0, shared) { weights[i] *= raisedCosine(i, of: shared) }
  }
  if index + 1 < starts.count {
    let shared = starts[index] + tile - starts[index + 1]
    for i in 0..<max(0, shared) { weights[tile - 1 - i] *= raisedCosine(i, of: shared) }
  }
  return weights
}

private func raisedCosine(_ index: Int, of count: Int) -> Float {
  0.5 - 0.5 * cos(Float.pi * (Float(index) + 0.5) / Float(count))
}

/// What the network made of a tile, where it lies until the next tile is run.
struct TileResult {
  let height: Int
  /// Rows of all channels, planar: `[channels, rows, width]`.
  let read: (_ rows: Range<Int>) throws -> [Float]

  /// Gives `body` the first `height` rows, some at a time.
  func forEachBand(
    height: Int, _ body: (_ rows: Range<Int>, _ values: [Float]) throws -> Void
  ) throws {
    for top in stride(from: 0, to: height, by: 64) {
      let rows = top..<min(top + 64, height)
      try body(rows, read(rows))
    }
  }

  /// Whether every value is a number and none is infinite.
  func isFinite() throws -> Bool {
    var isFinite = true
    try forEachBand(height: height) { isFinite = isFinite && $1.allSatisfy(\.isFinite) }
    return isFinite
  }
}

/// Merges tiles, one row of them after the other, and gives away the rows of the picture that no
/// later tile touches: only a band as high as a tile is kept.
///
/// A row is the sum of the weighted tiles over the sum of their weights, planar:
/// `[channels, width]`.
struct TileMerger {
  /// What takes a row of the picture and its number.
  typealias Taker = (_ y: Int, _ row: inout [Float]) throws -> Void

  private let grid: TileGrid
  private let blend: TileBlend
  private let channels: Int
  /// The picture's own size: rows and columns of the grid beyond it are dropped.
  private let width: Int
  private let height: Int
  /// Sums of the band that begins at `top`: `[channels, tileHeight, grid.width]`.
  private var sum: [Float]
  private var columnWeight: [Float]
  private var rowWeight: [Float]
  private var top = 0

  init(_ grid: TileGrid, blend: TileBlend, channels: Int, width: Int, height: Int) {
    (self.grid, self.blend, self.channels) = (grid, blend, channels)
    (self.width, self.height) = (width, height)
    let isOne = grid.count == 1
    sum = [Float](repeating: 0, count: isOne ? 0 : channels * grid.tileHeight * grid.width)
    columnWeight = [Float](repeating: 0, count: grid.width)
    rowWeight = [Float](repeating: 0, count: grid.tileHeight)
  }

  /// Adds the tile number `column`, `row` of the grid; tiles come row by row. `take` gets the rows
  /// that are then complete.
  mutating func add(_ tile: TileResult, column: Int, row: Int, _ take: Taker) throws {
    guard grid.count > 1 else {
      return try tile.forEachBand(height: height) { rows, values in
        try give(values, rows.count, grid.tileWidth, rows, take)
      }
    }
    accumulate(try tile.read(0..<grid.tileHeight), column: column, row: row)
    guard column + 1 == grid.xs.count else { return }
    let next = row + 1 < grid.ys.count ? grid.ys[row + 1] : grid.height
    divide(rows: next - top)
    try give(sum, grid.tileHeight, grid.width, top..<min(next, height), take)
    advance(by: next - top)
  }

  /// Tiles are separable: so are the weights' sums.
  private mutating func accumulate(_ tile: [Float], column: Int, row: Int) {
    let across = blendWeights(starts: grid.xs, index: column, tile: grid.tileWidth, blend: blend)
    let down = blendWeights(starts: grid.ys, index: row, tile: grid.tileHeight, blend: blend)
    let x = grid.xs[column]
    if row == 0 { for i in 0..<grid.tileWidth { columnWeight[x + i] += across[i] } }
    if column == 0 { for i in 0..<grid.tileHeight { rowWeight[i] += down[i] } }
    sum.withUnsafeMutableBufferPointer { sum in
      tile.withUnsafeBufferPointer { tile in
        for line in 0..<channels * grid.tileHeight {
          let (target, source) = (line * grid.width + x, line * grid.tileWidth)
          let weight = down[line % grid.tileHeight]
          for j in 0..<grid.tileWidth { sum[target + j] += tile[source + j] * across[j] * weight }
        }
      }
    }
  }

  private mutating func divide(rows: Int) {
    for channel in 0..<channels {
      for y in 0..<rows {
        let start = (channel * grid.tileHeight + y) * grid.width
        for x in 0..<width { sum[start + x] /= columnWeight[x] * rowWeight[y] }
      }
    }
  }

  /// Gives rows of a band that begins with the first of them and has `height` rows of `stride`
  /// columns.
  private func give(
    _ band: [Float], _ height: Int, _ stride: Int, _ rows: Range<Int>, _ take: Taker
  ) throws {
    for y in rows {
      var row: [Float] = []
      row.reserveCapacity(channels * width)
      for channel in 0..<channels {
        let start = (channel * height + y - rows.lowerBound) * stride
        row += band[start..<start + width]
      }
      try take(y, &row)
    }
  }

  /// Moves the band down, the rows that both share to its beginning.
  private mutating func advance(by rows: Int) {
    let kept = grid.tileHeight - rows
    for channel in 0..<channels {
      let start = channel * grid.tileHeight * grid.width
      for i in 0..<kept * grid.width { sum[start + i] = sum[start + rows * grid.width + i] }
      for i in kept * grid.width..<grid.tileHeight * grid.width { sum[start + i] = 0 }
    }
    for i in 0..<kept { rowWeight[i] = rowWeight[rows + i] }
    for i in kept..<grid.tileHeight { rowWeight[i] = 0 }
    top += rows
  }
}
