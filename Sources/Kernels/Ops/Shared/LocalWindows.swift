/// The windows of one image from which attention takes its statistics, and the cells between their
/// edges: how sums and matrices of its heads are laid out.
///
/// Sums are `[head][cell][slice][sums]`, of which a slice has the products of q and k `[m][m]`, the
/// squares of q `[m]` and those of k `[m]`. Matrices are `[head][cell][m][m]`.
package struct LocalWindows: Hashable, Sendable {
  /// The windows along the rows and along the columns of an image.
  let rows: WindowAxis
  let columns: WindowAxis
  /// Heads that share the channels.
  let heads: Int
  /// Channels of a head.
  let m: Int
  /// Slices of the pixels that a cell has in a band, each with sums of its own.
  let slices: Int

  /// Windows of at most `window` in images of `image`, whose channels are shared by `heads`.
  init(_ image: Shape, heads: Int, window: Shape, slices: Int = 1) {
    precondition(
      window.h > 0 && window.w > 0, "LocalWindows: a window of \(window.w)x\(window.h)")
    rows = WindowAxis(size: image.h, window: window.h)
    columns = WindowAxis(size: image.w, window: window.w)
    (self.heads, m, self.slices) = (heads, image.c / heads, slices)
  }

  /// Rows and columns of products that a GPU's work-group computes: `LOCAL_TILE` of kernels.cl.
  static let tile = 24

  /// Channels of all heads.
  var channels: Int { heads * m }
  /// Cells of an image.
  var cellCount: Int { rows.cells * columns.cells }
  /// Windows of an image.
  var windowCount: Int { rows.count * columns.count }
  /// Sums of a slice.
  var sums: Int { m * (m + 2) }
  /// Elements of all sums.
  var sumCount: Int { heads * cellCount * slices * sums }

  /// Elements of the matrices of all cells: one `[m][m]` for each head, or a single `[c][c]`.
  func matrixCount(folded: Bool) -> Int { cellCount * channels * (folded ? channels : m) }

  /// Whether it costs less to multiply the projection into the matrix of every cell than to apply
  /// the heads' matrices to every pixel.
  var foldsProjection: Bool { rows.size * columns.size > cellCount * channels }

  /// Where the sums of a cell and head start.
  func sums(_ head: Int, _ cell: Int) -> Int { (head * cellCount + cell) * slices * sums }

  /// The cells of a window, by their numbers row by row.
  func cells(of window: Int) -> [Int] {
    places(rows.cells(of: window / columns.count), columns.cells(of: window % columns.count)) {
      $0 * columns.cells + $1
    }
  }

  /// The windows over a cell.
  func windows(over cell: Int) -> [Int] {
    places(
      rows.windows(over: cell / columns.cells), columns.windows(over: cell % columns.cells)
    ) { $0 * columns.count + $1 }
  }

  private func places(
    _ down: Range<Int>, _ across: Range<Int>, _ number: (Int, Int) -> Int
  ) -> [Int] {
    down.flatMap { row in across.map { number(row, $0) } }
  }

  /// The sides, the cells and the channels of a head: `LOCAL_AXES` of kernels.cl.
  var axes: [KernelArgument] { axes(channels: m) }

  /// The same for kernels that take `channels` together.
  func axes(channels: Int) -> [KernelArgument] {
    let sides = [rows, columns].flatMap { axis -> [KernelArgument] in
      [
        .int(axis.size), .int(axis.window), .int(axis.step), .int(axis.count), .int(axis.cells),
      ]
    }
    return sides + [.int(channels)]
  }
}

/// What a band of rows has of a cell: pixels in order, line by line, of which a slice is a run.
struct LocalRegion {
  /// The first line, of the image, and the first column.
  private let top: Int
  private let left: Int
  private let width: Int
  /// Pixels of a slice, and of the region.
  private let length: Int
  private let count: Int
  /// Whether rows before the band belong to the cell.
  let continues: Bool

  init(_ windows: LocalWindows, cell: Int, of band: Range<Int>) {
    let (row, column) = (cell / windows.columns.cells, cell % windows.columns.cells)
    let first = windows.rows.cut(row)
    continues = first < band.lowerBound
    top = max(first, band.lowerBound)
    left = windows.columns.cut(column)
    width = windows.columns.cut(column + 1) - left
    count = (min(windows.rows.cut(row + 1), band.upperBound) - top) * width
    length = ceilingQuotient(count, windows.slices)
  }

  /// Calls `body` with row, first column and pixels of every piece of a line in a slice.
  func forEachLine(of slice: Int, _ body: (_ row: Int, _ column: Int, _ count: Int) -> Void) {
    var pixel = min(slice * length, count)
    let end = min(pixel + length, count)
    while pixel < end {
      let run = min(width - pixel % width, end - pixel)
      body(top + pixel / width, left + pixel % width, run)
      pixel += run
    }
  }
}
