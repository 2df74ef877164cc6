import CLBackend
import CMicroKernels

/// Channel attention with local statistics as one matrix for each cell between the windows' edges:
/// the mean of the weights of the windows over it, perhaps with the projection behind it
/// multiplied in, `M = W_o mean_w A_w`.
///
/// Inputs: the sums of `LocalGram`, the temperatures `[heads]`, and `W_o` `[c, c, 1, 1]` if it is
/// to be multiplied in. Output `[1, 1, 1, count]`: `[head][cell][m][m]`, with the projection
/// `[cell][c][c]`. Where cells have fewer pixels than channels, they are so many that it costs less
/// to leave the projection to the pixels.
package struct LocalMatrix: CatalogOp, TerminalOp {
  public static let name = "LocalMatrix"
  public static let section = "LocalAttention"
  private let windows: LocalWindows
  private let folds: Bool

  /// The matrices of all cells; `folds`: with the projection.
  init(_ windows: LocalWindows, folds: Bool) { (self.windows, self.folds) = (windows, folds) }

  public static var cases: [OpCase] {
    [
      (1, Shape(1, 4, 13, 17), 8, 8, 3), (2, Shape(1, 6, 9, 9), 5, 4, 2),
      (1, Shape(1, 3, 1, 1), 4, 4, 4), (3, Shape(1, 18, 3, 50), 2, 16, 1),
      (2, Shape(1, 48, 30, 30), 20, 24, 1), (2, Shape(1, 8, 30, 31), 4, 4, 1),
    ].flatMap { heads, image, height, width, slices in
      let windows = LocalWindows(
        image, heads: heads, window: Shape(1, 1, height, width), slices: slices)
      return [false, true].map { folds in
        OpCase(
          LocalMatrix(windows, folds: folds),
          [Shape(1, 1, 1, windows.sumCount), .vector(heads)]
            + (folds ? [Shape(image.c, image.c, 1, 1)] : []), [.positive, .positive])
      }
    }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let c = windows.channels
    precondition(
      inputs == [Shape(1, 1, 1, windows.sumCount), .vector(windows.heads)]
        + (folds ? [Shape(c, c, 1, 1)] : []),
      "LocalMatrix: \(inputs) with \(windows.heads) heads of \(windows.m)")
    return [Shape(1, 1, 1, windows.matrixCount(folded: folds))]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    folds ? windows.cellCount * windows.channels * windows.channels * windows.m : 0
  }

  /// The weights of every window; what a device multiplies with the projection. The CPU backend
  /// has the mean of one cell at a time, which its cache holds.
  private var scratch: [Int] {
    let area = windows.m * windows.m
    return [windows.heads * windows.windowCount * area]
      + (folds ? [windows.matrixCount(folded: false)] : [])
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] { [scratch[0]] }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    scratch
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (weights, y) = (scratch[0].base, outputs[0].base)
    let (area, count) = (windows.m * windows.m, windows.windowCount)
    // Windows first: each is read by all of its cells.
    parallelFor(windows.heads * count) { index in
      attention(
        inputs[0].base, index / count, of: index % count, t: inputs[1].base[index / count],
        into: weights + index * area)
    }
    guard folds else {
      return parallelFor(windows.heads * windows.cellCount) { index in
        let (head, cell) = (index / windows.cellCount, index % windows.cellCount)
        mean(over: cell, weights + head * count * area, into: y + index * area)
      }
    }
    parallelFor(windows.cellCount) { cell in
      project(cell, weights, inputs[2].base, into: y + cell * area * windows.heads * windows.heads)
    }
  }

  /// The weights of a window from the sums of its cells, as `ChannelAttention` has them over the
  /// whole image; they are added up in the order of cells and slices.
  private func attention(
    _ all: UnsafePointer<Float>, _ head: Int, of window: Int, t: Float,
    into weights: UnsafeMutablePointer<Float>
  ) {
    let (m, sums) = (windows.m, windows.sums)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: sums + m * m + 2 * m) { memory in
      guard let total = memory.baseAddress else { return }
      total.update(repeating: 0, count: sums)
      for cell in windows.cells(of: window) {
        for slice in 0..<windows.slices {
          let sum = all + windows.sums(head, cell) + slice * sums
          restormer_axpby(1, sum, 1, total, total, sums)
        }
      }
      let norms = total + sums + m * m
      attentionWeights(
        sums: total, m: m, t: t, weights: weights, cosines: total + sums, norms: (norms, norms + m),
        normStep: 1)
    }
  }

  /// The mean of the weights of a head over the windows above a cell: what one application of it
  /// gives is the mean of what the windows would give.
  private func mean(
    over cell: Int, _ weights: UnsafePointer<Float>, into mean: UnsafeMutablePointer<Float>
  ) {
    let area = windows.m * windows.m
    let over = windows.windows(over: cell)
    mean.update(repeating: 0, count: area)
    for window in over { restormer_axpby(1, weights + window * area, 1, mean, mean, area) }
    let share = 1 / Float(over.count)
    for i in 0..<area { mean[i] *= share }
  }

  private func project(
    _ cell: Int, _ weights: UnsafePointer<Float>, _ w: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    let (m, c) = (windows.m, windows.channels)
    // The product reads behind its last row.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: m * m + planeSlack) { memory in
      guard let a = memory.baseAddress else { return }
      for head in 0..<windows.heads {
        mean(over: cell, weights + head * windows.windowCount * m * m, into: a)
        restormer_gemm(
          a, m, w + head * m, c, 1, nil, nil, 0, y + head * m, c, Int32(m), Int32(m), Int32(c))
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let row = backend.traits.isCPU ? 1 : backend.configuration.groupSize
    let means = folds ? scratch[1] : outputs[0]
    return [
      // The weights of every window: a work-group for each row, on a CPU of one item.
      try backend.launch(
        Self.section, "local_softmax",
        [.region(inputs[0]), .tensor(inputs[1]), .region(scratch[0])] + windows.axes
          + [.int(windows.slices)],
        global: [windows.m * row, windows.windowCount, windows.heads], local: [row, 1, 1]),
      try backend.launch(
        Self.section, "local_mean", [.region(scratch[0]), .region(means)] + windows.axes,
        global: [windows.m * windows.m, windows.cellCount, windows.heads]),
    ] + (folds ? [try project(means, inputs[2], into: outputs[0], on: backend)] : [])
  }

  private func project(
    _ means: DeviceTensor, _ w: DeviceTensor, into y: DeviceTensor, on backend: OpenCLBackend
  ) throws -> Launch {
    let (configuration, isCPU) = (backend.configuration, backend.traits.isCPU)
    let columns = configuration.blockVectors * configuration.vectorWidth
    // A GPU has many items and few rows.
    let rows = isCPU ? configuration.fittingBlockRows(windows.channels) : 2
    return try backend.launch(
      Self.section, "local_project",
      [
        .region(means), .tensor(w), .region(y), .int(windows.cellCount), .int(windows.m),
        .int(windows.heads), .int(rows),
      ],
      global: [
        ceilingQuotient(windows.m, columns), ceilingQuotient(windows.channels, rows),
        windows.cellCount * windows.heads,
      ],
      local: isCPU ? [1, 1, 1] : [16, 4, 1], defines: ["BLOCK_ROWS": rows],
      multiplyAdds: multiplyAdds([]))
  }
}

extension LocalMatrix: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (m, c, count) = (windows.m, windows.channels, windows.windowCount)
    let weights = (0..<windows.heads * count).map { index in
      exactWeights(inputs[0].values, index / count, index % count, inputs[1].values[index / count])
    }
    let means = (0..<windows.heads * windows.cellCount).flatMap { place in
      let over = windows.windows(over: place % windows.cellCount).map {
        weights[place / windows.cellCount * count + $0]
      }
      return (0..<m * m).map { i in over.reduce(0) { $0 + $1[i] } / Double(over.count) }
    }
    let shape = Shape(1, 1, 1, windows.matrixCount(folded: folds))
    guard folds else { return [ExactTensor(shape, means)] }
    return [
      ExactTensor(shape) { _, _, _, place in
        let (cell, o, column) = (place / (c * c), place / c % c, place % c)
        let head = column / m
        let mean = (head * windows.cellCount + cell) * m * m + column % m
        return (0..<m).reduce(0) {
          $0 + inputs[2][o, head * m + $1, 0, 0] * means[mean + $1 * m]
        }
      }
    ]
  }

  /// The weights of a head and window.
  private func exactWeights(_ sums: [Double], _ head: Int, _ window: Int, _ t: Double) -> [Double] {
    let m = windows.m
    let total = (0..<windows.sums).map { index in
      windows.cells(of: window).reduce(0.0) { total, cell in
        (0..<windows.slices).reduce(total) {
          $0 + sums[windows.sums(head, cell) + $1 * windows.sums + index]
        }
      }
    }
    return attentionDefinition(
      products: ExactTensor(Shape(1, 1, m, m), Array(total[..<(m * m)])),
      squares: ExactTensor(Shape(1, 2 * m, 1, 1), Array(total[(m * m)...])), t: [t]
    ).weights.values
  }
}
