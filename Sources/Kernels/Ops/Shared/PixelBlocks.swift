/// Calls `body` with every image and a range of its pixels, in parallel.
func forEachPixelBlock(_ shape: Shape, _ body: (_ n: Int, _ first: Int, _ last: Int) -> Void) {
  let grain = pixelGrain(shape.plane, images: shape.n)
  let blocks = (shape.plane + grain - 1) / grain
  parallelFor(blocks * shape.n) { index in
    let first = index % blocks * grain
    body(index / blocks, first, min(first + grain, shape.plane))
  }
}

/// Pixels that one task of a CPU operator handles: enough tasks for the cores, long enough rows.
func pixelGrain(_ pixels: Int, images: Int) -> Int {
  let tasks = max(1, 4 * CPUBackend.coreCount / images)
  return max(64, min(1024, roundUp((pixels + tasks - 1) / tasks, 32)))
}
