import CLBackend
import CMicroKernels

/// The sums over pixels that attention with local statistics needs, added up band by band for the
/// cells between the windows' edges.
///
/// Inputs: `qk` `[1, 2 c, rows, w]`, then the sums so far unless the band is the first. Output: the
/// sums as `LocalWindows` lays them out, `[1, 1, 1, count]`, which may take the place of those so
/// far. Only the cells that the band has pixels of are touched: a cell's sums begin with the band
/// that has its first row, so nothing has to be cleared beforehand.
package struct LocalGram: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "LocalGram"
  public static let section = "LocalAttention"
  private let windows: LocalWindows
  private let rows: Range<Int>

  /// The sums of rows `rows` of an image.
  init(_ windows: LocalWindows, rows: Range<Int>) { (self.windows, self.rows) = (windows, rows) }

  /// Bands that touch all cells: the sums of others would be nobody's.
  public static var cases: [OpCase] {
    [
      (1, Shape(1, 4, 13, 17), 8, 8, 3, 0), (2, Shape(1, 8, 9, 9), 5, 4, 2, 1),
      (1, Shape(1, 3, 1, 1), 4, 4, 4, 0), (3, Shape(1, 6, 3, 50), 2, 16, 1, 0),
      (2, Shape(1, 48, 33, 40), 20, 24, 1, 5), (1, Shape(1, 30, 21, 67), 21, 32, 2, 20),
    ].map { heads, image, height, width, slices, first in
      let windows = LocalWindows(
        image, heads: heads, window: Shape(1, 1, height, width), slices: slices)
      let qk = Shape(1, 2 * image.c, image.h - first, image.w)
      let sums = Shape(1, 1, 1, windows.sumCount)
      return OpCase(
        LocalGram(windows, rows: first..<image.h), [qk] + (first > 0 ? [sums] : []))
    }
  }

  package var activations: Activations { Activations(into: []) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let sums = Shape(1, 1, 1, windows.sumCount)
    let qk = Shape(1, 2 * windows.channels, rows.count, windows.columns.size)
    precondition(
      inputs == [qk] + (rows.lowerBound > 0 ? [sums] : []),
      "LocalGram: \(inputs) of rows \(rows), sums \(sums)")
    return [sums]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    windows.channels * windows.m * inputs[0].plane
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let sums = outputs[0].base
    let previous = inputs.count == 2 ? UnsafePointer(inputs[1].base) : nil
    let places = places
    parallelFor(windows.heads * places * windows.slices) { index in
      let (head, place) = (index / (places * windows.slices), index / windows.slices % places)
      let (cell, slice) = (firstCell + place, index % windows.slices)
      let region = LocalRegion(windows, cell: cell, of: rows)
      let start = windows.sums(head, cell) + slice * windows.sums
      let sum = sums + start
      // Nobody has written there before, or the cells of another image.
      if !region.continues {
        sum.update(repeating: 0, count: windows.sums)
      } else if let previous, previous + start != UnsafePointer(sum) {
        sum.update(from: previous + start, count: windows.sums)
      }
      region.forEachLine(of: slice) { row, column, count in
        let first = (row - rows.lowerBound) * windows.columns.size + column
        add(inputs[0], head, first, count, to: sum)
      }
    }
  }

  /// Adds `count` pixels of a head from `first` of the plane on.
  private func add(
    _ qk: CPUTensor, _ head: Int, _ first: Int, _ count: Int,
    to sum: UnsafeMutablePointer<Float>
  ) {
    let m = windows.m
    let q = qk.plane(0, head * m) + first
    let k = qk.plane(0, (windows.heads + head) * m) + first
    restormer_outer(q, qk.planeStride, k, qk.planeStride, sum, m, Int32(count), Int32(m), Int32(m))
    for i in 0..<m {
      sum[m * m + i] += Float(restormer_sum_of_squares(q + i * qk.planeStride, count))
      sum[m * m + m + i] += Float(restormer_sum_of_squares(k + i * qk.planeStride, count))
    }
  }

  /// The cells that the band touches follow each other.
  private var firstCell: Int {
    windows.rows.cells(over: rows).lowerBound * windows.columns.cells
  }
  private var places: Int { windows.rows.cells(over: rows).count * windows.columns.cells }

  /// On a CPU a work-item has a slice to itself, on a GPU a work-group has a square of its
  /// products.
  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (qk, isCPU) = (inputs[0], backend.traits.isCPU)
    let tiles = ceilingQuotient(windows.m, LocalWindows.tile)
    return [
      try backend.launch(
        Self.section, isCPU ? "local_gram" : "local_gram_tiles",
        [
          .tensor(qk), .region(inputs.count == 2 ? inputs[1] : outputs[0]), .region(outputs[0]),
        ] + windows.axes + [
          .int(windows.heads), .int(windows.slices), .int(rows.lowerBound),
          .int(rows.upperBound), .int(firstCell),
        ],
        global: [
          isCPU ? 1 : 64 * tiles * tiles, places * windows.slices, windows.heads,
        ],
        local: [isCPU ? 1 : 64, 1, 1],
        defines: (isCPU ? PanelBlock(channels: windows.m, backend.configuration).defines : [:])
          .merging(HalfDefines.of(qk)) { $1 },
        multiplyAdds: multiplyAdds([qk.shape]))
    ]
  }
}

extension LocalGram: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (qk, m) = (inputs[0], windows.m)
    var sums = inputs.count == 2 ? inputs[1].values : []
    sums += [Double](repeating: 0, count: windows.sumCount - sums.count)
    for place in 0..<windows.heads * windows.cellCount * windows.slices {
      let (head, cell) = (
        place / windows.slices / windows.cellCount, place / windows.slices % windows.cellCount
      )
      let region = LocalRegion(windows, cell: cell, of: rows)
      if !region.continues {
        for i in 0..<windows.sums { sums[place * windows.sums + i] = 0 }
      }
      region.forEachLine(of: place % windows.slices) { row, column, count in
        for x in column..<column + count {
          let pixel = (0..<qk.shape.c).map { qk[0, $0, row - rows.lowerBound, x] }
          let (q, k) = (head * m, (windows.heads + head) * m)
          for i in 0..<windows.sums {
            let side = (i / m == m ? q : k) + i % m
            sums[place * windows.sums + i] +=
              i < m * m ? pixel[q + i / m] * pixel[k + i % m] : pixel[side] * pixel[side]
          }
        }
      }
    }
    return [ExactTensor(Shape(1, 1, 1, sums.count), sums)]
  }
}
