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
}

/// Where the tiles of one image lie: every start and size is a multiple of 8.
struct TileGrid: Equatable {
  let tileWidth: Int
  let tileHeight: Int
  let xs: [Int]
  let ys: [Int]
  let overlap: Int

  /// Tiles of at most `tile` pixels, at least `overlap` of them shared by neighbours, over a padded image.
  init(width: Int, height: Int, tile: Int, overlap: Int, square: Bool) {
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
/// Smooth: from the start of the overlap with the previous tile a raised cosine rises to 1, and likewise falls
/// towards the next. Box: 1 everywhere.
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

/// Sums weighted tiles and divides by the sum of their weights.
struct TileAccumulator {
  private let width: Int
  private let height: Int
  private let channels: Int
  private var sum: [Float]
  private var columnWeight: [Float]
  private var rowWeight: [Float]

  init(width: Int, height: Int, channels: Int) {
    (self.width, self.height, self.channels) = (width, height, channels)
    sum = [Float](repeating: 0, count: width * height * channels)
    columnWeight = [Float](repeating: 0, count: width)
    rowWeight = [Float](repeating: 0, count: height)
  }

  /// Adds the tile number `column`, `row` of the grid. Tiles are separable: so are the weights' sums.
  mutating func add(_ tile: [Float], grid: TileGrid, column: Int, row: Int, blend: TileBlend) {
    let across = blendWeights(starts: grid.xs, index: column, tile: grid.tileWidth, blend: blend)
    let down = blendWeights(starts: grid.ys, index: row, tile: grid.tileHeight, blend: blend)
    let (x, y) = (grid.xs[column], grid.ys[row])
    if row == 0 { for i in 0..<grid.tileWidth { columnWeight[x + i] += across[i] } }
    if column == 0 { for i in 0..<grid.tileHeight { rowWeight[y + i] += down[i] } }
    sum.withUnsafeMutableBufferPointer { sum in
      tile.withUnsafeBufferPointer { tile in
        var source = 0
        for channel in 0..<channels {
          for i in 0..<grid.tileHeight {
            let target = (channel * height + y + i) * width + x
            for j in 0..<grid.tileWidth {
              sum[target + j] += tile[source + j] * across[j] * down[i]
            }
            source += grid.tileWidth
          }
        }
      }
    }
  }

  /// The merged image, cropped to `width x height`.
  func result(width cropWidth: Int, height cropHeight: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: cropWidth * cropHeight * channels) { out, count in
      for channel in 0..<channels {
        for row in 0..<cropHeight {
          let source = (channel * height + row) * width
          let target = (channel * cropHeight + row) * cropWidth
          for column in 0..<cropWidth {
            out[target + column] = sum[source + column] / (columnWeight[column] * rowWeight[row])
          }
        }
      }
      count = cropWidth * cropHeight * channels
    }
  }
}
