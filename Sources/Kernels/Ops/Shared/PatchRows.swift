/// The panels over which the CPU twins of the 3x3 convolution multiply: for one image row, the `9 * c` rows of
/// its shifted neighbourhoods, in the order of the weight's elements (channel, row, column).

/// Tasks that gather rows at the same time, each into a panel of its own.
func patchTasks(_ x: Shape) -> Int { min(4 * CPUBackend.coreCount, x.n * x.h) }

/// Elements from one row of a panel to the next.
func patchStride(_ width: Int) -> Int { roundUp(width, 16) + 16 }

/// Calls `body` for every row of every image with the row's panel, in parallel.
func forEachPatchRow(
  _ x: CPUTensor, panels: CPUTensor,
  _ body: (_ n: Int, _ row: Int, _ panel: UnsafeMutablePointer<Float>, _ stride: Int) -> Void
) {
  let tasks = patchTasks(x.shape)
  let stride = patchStride(x.shape.w)
  let rows = x.shape.n * x.shape.h
  parallelFor(tasks) { task in
    let panel = panels.base + task * 9 * x.shape.c * stride
    for index in task * rows / tasks..<(task + 1) * rows / tasks {
      let (n, row) = (index / x.shape.h, index % x.shape.h)
      gatherPatchRow(x, n: n, row: row, into: panel, stride: stride)
      body(n, row, panel, stride)
    }
  }
}

private func gatherPatchRow(
  _ x: CPUTensor, n: Int, row: Int, into panel: UnsafeMutablePointer<Float>, stride: Int
) {
  let (height, width) = (x.shape.h, x.shape.w)
  for channel in 0..<x.shape.c {
    for tap in 0..<9 {
      let target = panel + (channel * 9 + tap) * stride
      let (sourceRow, shift) = (row + tap / 3 - 1, tap % 3 - 1)
      guard sourceRow >= 0, sourceRow < height else {
        target.update(repeating: 0, count: width)
        continue
      }
      let source = x.plane(n, channel) + sourceRow * width
      let (from, to) = (max(0, -shift), min(width, width - shift))
      if from > 0 { target[0] = 0 }
      if to < width { target[width - 1] = 0 }
      if to > from { (target + from).update(from: source + from + shift, count: to - from) }
    }
  }
}
