/// The panels over which the CPU twins of the 3x3 convolution multiply: for a part of an image row,
/// the `9 * c` rows of its shifted neighbourhoods, in the order of the weight's elements (channel,
/// row, column).

/// Tasks that gather rows at the same time, each into a panel of its own.
func patchTasks(_ x: Shape) -> Int { min(4 * CPUBackend.coreCount, x.n * x.h) }

/// Columns of a panel: it stays in a core's second cache (512 KiB), but each weight is to serve 64
/// columns.
func patchColumns(_ x: Shape) -> Int { min(x.w, max(64, (1 << 17) / (9 * x.c) / 16 * 16)) }

/// Elements from one row of a panel to the next.
func patchStride(_ x: Shape) -> Int { roundUp(patchColumns(x), 16) + 16 }

/// Calls `body` for every row of every image, a few columns at a time, with their panel; rows in
/// parallel.
func forEachPatchRow(
  _ x: CPUTensor, panels: CPUTensor,
  _ body: (
    _ n: Int, _ row: Int, _ columns: Range<Int>, _ panel: UnsafeMutablePointer<Float>,
    _ stride: Int
  ) -> Void
) {
  let tasks = patchTasks(x.shape)
  let (stride, width) = (patchStride(x.shape), patchColumns(x.shape))
  let rows = x.shape.n * x.shape.h
  parallelFor(tasks) { task in
    let panel = panels.base + task * 9 * x.shape.c * stride
    for index in task * rows / tasks..<(task + 1) * rows / tasks {
      let (n, row) = (index / x.shape.h, index % x.shape.h)
      for first in Swift.stride(from: 0, to: x.shape.w, by: width) {
        let columns = first..<min(x.shape.w, first + width)
        gatherPatchRow(x, n: n, row: row, columns, into: panel, stride: stride)
        body(n, row, columns, panel, stride)
      }
    }
  }
}

private func gatherPatchRow(
  _ x: CPUTensor, n: Int, row: Int, _ columns: Range<Int>,
  into panel: UnsafeMutablePointer<Float>, stride: Int
) {
  let (height, width) = (x.shape.h, x.shape.w)
  for channel in 0..<x.shape.c {
    for tap in 0..<9 {
      let target = panel + (channel * 9 + tap) * stride
      let (sourceRow, shift) = (row + tap / 3 - 1, tap % 3 - 1)
      guard sourceRow >= 0, sourceRow < height else {
        target.update(repeating: 0, count: columns.count)
        continue
      }
      let source = x.plane(n, channel) + sourceRow * width
      let from = max(columns.lowerBound, -shift)
      let to = min(columns.upperBound, width - shift)
      if from > columns.lowerBound { target[0] = 0 }
      if to < columns.upperBound { target[columns.count - 1] = 0 }
      if to > from {
        (target + from - columns.lowerBound).update(from: source + from + shift, count: to - from)
      }
    }
  }
}
