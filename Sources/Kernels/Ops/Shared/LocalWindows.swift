import CMicroKernels

/// Windows, cells and their sums over one shape.
struct LocalWindows {
  /// The windows along the rows and along the columns of an image.
  let rows: WindowAxis
  let columns: WindowAxis
  /// Images of the batch.
  let images: Int
  private let heads: Int
  /// Channels of a head.
  let m: Int
  /// Bands of rows that a cell is summed in, which keep all cores busy.
  let slices: Int
  /// Rows and columns of products that a GPU's work-group computes: `LOCAL_TILE` of kernels.cl.
  static let tile = 24

  /// - Parameters:
  ///   - qkv: `[n, 3 c, h, w]`.
  ///   - heads: how many share the channels.
  ///   - window: rows and columns of a window at most.
  ///   - traits: a GPU wants more slices, of which each is a work-group's.
  init(_ qkv: Shape, heads: Int, window: Shape, _ traits: DeviceTraits) {
    rows = WindowAxis(size: qkv.h, window: window.h)
    columns = WindowAxis(size: qkv.w, window: window.w)
    (images, self.heads, m) = (qkv.n, heads, qkv.c / 3 / heads)
    let wanted = ceilingQuotient(
      traits.isCPU ? 32 : 512, max(1, qkv.n * heads * rows.cells * columns.cells))
    slices = max(1, min(wanted, ceilingQuotient(qkv.h, 8 * rows.cells)))
  }

  /// Cells of an image.
  var cellCount: Int { rows.cells * columns.cells }
  /// Windows of an image.
  var windowCount: Int { rows.count * columns.count }
  /// Sums of a slice: products `[m][m]`, then squares of q `[m]` and k `[m]`.
  var sums: Int { m * (m + 2) }
  /// Numbers of the three intermediate results, for every image and head: sums of cells
  /// `[cell][slice][sums]`, weights of windows `[window][m][m]`, mean weights of cells
  /// `[cell][m][m]`.
  var scratch: [Int] {
    let groups = images * heads
    return [
      groups * cellCount * slices * sums, groups * windowCount * m * m, groups * cellCount * m * m,
    ]
  }

  /// Images times heads.
  var groups: Int { images * heads }

  /// The sides, the cells across and the channels: `LOCAL_AXES` of kernels.cl.
  var axes: [KernelArgument] {
    let sides = [rows, columns].flatMap { axis -> [KernelArgument] in
      [.int(axis.size), .int(axis.window), .int(axis.step), .int(axis.count)]
    }
    return sides + [.int(columns.cells), .int(m)]
  }

  /// Products and squares of every cell and slice: `[group][cell][slice][sums]`, where a group is
  /// one head of one image. Calls write disjoint sums, so that the result does not depend on
  /// threads.
  func addUp(_ qkv: CPUTensor, into all: UnsafeMutablePointer<Float>) {
    let (down, across) = (rows.cuts, columns.cuts)
    parallelFor(images * heads * cellCount * slices) { index in
      let (group, place) = (index / (cellCount * slices), index % (cellCount * slices))
      let (cell, slice) = (place / slices, place % slices)
      let (row, column) = (cell / columns.cells, cell % columns.cells)
      let height = ceilingQuotient(down[row + 1] - down[row], slices)
      let first = min(down[row] + slice * height, down[row + 1])
      let sum = all + index * sums
      sum.update(repeating: 0, count: sums)
      for y in first..<min(first + height, down[row + 1]) {
        addLine(
          qkv, group, y * qkv.shape.w + across[column], across[column + 1] - across[column], to: sum
        )
      }
    }
  }

  /// Adds one line of a cell: `count` pixels from `first` of the plane on.
  private func addLine(
    _ qkv: CPUTensor, _ group: Int, _ first: Int, _ count: Int,
    to sum: UnsafeMutablePointer<Float>
  ) {
    let (n, head) = (group / heads, group % heads)
    let q = qkv.plane(n, head * m) + first
    let k = qkv.plane(n, (heads + head) * m) + first
    restormer_outer(
      q, qkv.planeStride, k, qkv.planeStride, sum, m, Int32(count), Int32(m), Int32(m))
    for i in 0..<m {
      sum[m * m + i] += Float(restormer_sum_of_squares(q + i * qkv.planeStride, count))
      sum[m * m + m + i] += Float(restormer_sum_of_squares(k + i * qkv.planeStride, count))
    }
  }

  /// The attention weights `[m][m]` of a window from the sums of its cells, as `ChannelAttention`
  /// has them over the whole image; they are added up in the order of cells and slices.
  func attention(
    of window: Int, _ all: UnsafePointer<Float>, t: Float,
    into weights: UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: sums + m * m + 2 * m) { memory in
      let total = memory.baseAddress!
      total.update(repeating: 0, count: sums)
      for cell in cells(of: window) {
        for slice in 0..<slices {
          let sum = all + (cell * slices + slice) * sums
          for i in 0..<sums { total[i] += sum[i] }
        }
      }
      let norms = total + sums + m * m
      attentionWeights(
        sums: total, m: m, t: t, weights: weights, cosines: total + sums,
        norms: (norms, norms + m), normStep: 1)
    }
  }

  /// The mean of the weights of the windows over a cell: what one application of it gives is the
  /// mean of what the windows would give.
  func mean(
    over cell: Int, _ weights: UnsafePointer<Float>, into mean: UnsafeMutablePointer<Float>
  ) {
    let over = (0..<windowCount).filter { cells(of: $0).contains(cell) }
    for i in 0..<m * m {
      mean[i] = over.reduce(0) { $0 + weights[$1 * m * m + i] } / Float(over.count)
    }
  }

  /// The cells that lie in a window, by their numbers row by row: no cell lies in one only partly.
  private func cells(of window: Int) -> [Int] {
    func inside(_ axis: WindowAxis, _ index: Int) -> [Int] {
      let cuts = axis.cuts
      let first = axis.start(index)
      return (0..<axis.cells).filter { cuts[$0] >= first && cuts[$0 + 1] <= first + axis.window }
    }
    let across = inside(columns, window % columns.count)
    return inside(rows, window / columns.count).flatMap { row in
      across.map { row * columns.cells + $0 }
    }
  }
}
