import CLBackend
import CMicroKernels

/// Some rows of a depthwise 3x3 convolution of an image that passes by in bands of rows, with the
/// gate of the feed-forward network on top if asked for.
///
/// With `d` the depthwise convolution of an image of `height` rows (zero padding of 1), rows
/// `first...` of `d`, or of `gelu(d[:, :c]) d[:, c:]`. Inputs: `x` `[n, c or 2 c, slots, w]`, row
/// `i` of the image in slot `i mod slots`; `weight` `[c or 2 c, 1, 3, 3]` and, if there is one,
/// `bias`. Output: `[n, c, rows, w]`.
///
/// The rows come from a ring, in which the rows of the band before lie still: a band reads its
/// neighbours without computing them twice.
package struct DepthwiseWindow: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "DepthwiseWindow"
  public static let section = "DepthwiseConv"
  private let first: Int
  private let rows: Int
  private let height: Int
  private let isGated: Bool

  /// Rows `rows` of an image of `height` rows.
  public init(rows: Range<Int>, height: Int, gated: Bool) {
    (first, self.rows, self.height, isGated) = (rows.lowerBound, rows.count, height, gated)
  }

  public static var cases: [OpCase] {
    // Rows, height, slots, width: whole images, the first, a middle and the last window, rings of
    // few rows.
    let windows = [
      (0..<1, 1, 1, 1), (0..<5, 5, 5, 9), (0..<3, 40, 6, 17), (3..<8, 40, 10, 33),
      (35..<40, 40, 8, 16), (7..<8, 9, 3, 5), (0..<9, 9, 9, 48),
    ]
    return windows.flatMap { rows, height, slots, width in
      [false, true].flatMap { gated in
        [(1, 2), (2, 6)].flatMap { n, channels in
          let op = DepthwiseWindow(rows: rows, height: height, gated: gated)
          let (x, weight) = (Shape(n, channels, slots, width), Shape(channels, 1, 3, 3))
          return [OpCase(op, [x, weight]), OpCase(op, [x, weight, .vector(channels)])]
        }
      }
    }
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let x = inputs[0]
    // Rows before the first and after the last one are needed where the image has them.
    let needed = min(height, first + rows + 1) - max(0, first - 1)
    precondition(
      (2...3).contains(inputs.count) && inputs[1] == Shape(x.c, 1, 3, 3) && needed <= x.h
        && inputs.dropFirst(2).allSatisfy { $0 == .vector(x.c) } && (!isGated || x.c % 2 == 0),
      "DepthwiseWindow: \(inputs) for rows \(first)..<\(first + rows) of \(height)")
    return [Shape(x.n, isGated ? x.c / 2 : x.c, rows, x.w)]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    DepthwiseConv().multiplyAdds([Shape(inputs[0].n, inputs[0].c, rows, inputs[0].w)])
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let y = outputs[0].shape
    let planes = DepthwisePlanes(inputs, into: outputs[0], first: first, height: height)
    parallelRanges(y.n * y.c, grain: depthwiseGrain(y)) { range in
      guard isGated else {
        for plane in range {
          planes.convolve(plane / y.c, plane % y.c, 0..<rows, into: planes.target(plane))
        }
        return
      }
      let step = gatedRows(y.w)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: step * y.w) { factor in
        guard let factor = factor.baseAddress else { return }
        for plane in range {
          for start in stride(from: 0, to: rows, by: step) {
            gate(plane, start..<min(rows, start + step), y, planes, factor: factor)
          }
        }
      }
    }
  }

  /// Rows of one plane of the result, by way of `factor`.
  private func gate(
    _ plane: Int, _ rows: Range<Int>, _ y: Shape, _ planes: DepthwisePlanes,
    factor: UnsafeMutablePointer<Float>
  ) {
    let (n, c) = (plane / y.c, plane % y.c)
    let result = planes.target(plane) + rows.lowerBound * y.w
    planes.convolve(n, c, rows, into: result)
    planes.convolve(n, c + y.c, rows, into: factor)
    restormer_gelu_gate_in_place(result, factor, rows.count * y.w)
  }

  /// Rows of a plane that are convolved and gated while they are in the first cache.
  private func gatedRows(_ width: Int) -> Int { min(rows, max(1, 6144 / width)) }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, y) = (inputs[0], outputs[0])
    // The gate has twice the accumulators.
    let sweep = isGated && backend.configuration.blockVectors == 1 ? 2 : depthwiseSweep
    let hasBias = inputs.count == 3
    let tensors: [KernelArgument] = [
      .tensor(x), .tensor(inputs[1]), .tensor(inputs[hasBias ? 2 : 1]), .tensor(y),
      .int(hasBias ? 1 : 0),
    ]
    let name = isGated ? "depthwise_gate_window" : "depthwise_window"
    let defines = ["DEPTHWISE_ROWS": sweep].merging(HalfDefines.of(x, into: y)) { $1 }
    guard backend.traits.isCPU else {
      let grid = BlockGrid(y.shape, rows: sweep, backend.configuration)
      return [
        try backend.launch(
          Self.section, name + "_blocks",
          tensors + [
            .int(y.shape.c), .int(rows), .int(y.shape.w), .int(y.shape.n), .int(first),
            .int(height), .int(first % x.shape.h), .int(x.shape.h),
          ], global: grid.global, local: grid.local,
          defines: defines.merging(["ALIGNED": ProductTile.hasAlignedRows([x, y]) ? 1 : 0]) { $1 },
          multiplyAdds: multiplyAdds(inputs.map(\.shape)))
      ]
    }
    let grid = RowGrid(y.shape, rowsPerSweep: sweep, backend.configuration)
    return [
      try backend.launch(
        Self.section, name,
        tensors + grid.arguments + [.int(first), .int(height), .int(x.shape.h)],
        global: grid.global, local: grid.local, defines: defines,
        multiplyAdds: multiplyAdds(inputs.map(\.shape)))
    ]
  }
}

/// Where the planes of a window lie: pointers, as counting references for each of them would take
/// longer than its copies.
private struct DepthwisePlanes {
  private let x: (base: UnsafePointer<Float>, image: Int, plane: Int)
  private let y: (base: UnsafeMutablePointer<Float>, channels: Int, image: Int, plane: Int)
  private let taps: (base: UnsafePointer<Float>, step: Int)
  private let bias: (base: UnsafePointer<Float>, step: Int)?
  private let (slots, first, height, width): (Int, Int, Int, Int)

  init(_ inputs: [CPUTensor], into output: CPUTensor, first: Int, height: Int) {
    let (input, weight) = (inputs[0], inputs[1])
    x = (UnsafePointer(input.base), input.batchStride, input.planeStride)
    y = (output.base, output.shape.c, output.batchStride, output.planeStride)
    taps = (UnsafePointer(weight.base), weight.batchStride)
    bias = inputs.count == 3 ? (UnsafePointer(inputs[2].base), inputs[2].planeStride) : nil
    (slots, self.first, self.height, width) = (input.shape.h, first, height, input.shape.w)
  }

  /// Plane `number` of the result.
  func target(_ number: Int) -> UnsafeMutablePointer<Float> {
    y.base + number / y.channels * y.image + number % y.channels * y.plane
  }

  /// Rows of the window of image `n`, channel `c`.
  func convolve(_ n: Int, _ c: Int, _ rows: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    restormer_depthwise_window(
      x.base + n * x.image + c * x.plane, slots, first + rows.lowerBound, rows.count, height, width,
      taps.base + c * taps.step, 0, bias.map { $0.base[c * $0.step] } ?? 0, out)
  }
}

extension DepthwiseWindow: DefinedOp {
  /// The convolution of the rows and their neighbours, taken out of the ring; rows outside of the
  /// image are zero.
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    let (n, c, slots, width) = (x.shape.n, x.shape.c, x.shape.h, x.shape.w)
    let read = ExactTensor(Shape(n, c, rows + 2, width)) { n, c, i, j in
      let row = first - 1 + i
      return (0..<height).contains(row) ? x[n, c, row % slots, j] : 0
    }
    let convolved = DepthwiseConv().definition([read] + inputs.dropFirst())[0]
    let window = ExactTensor(Shape(n, c, rows, width)) { convolved[$0, $1, $2 + 1, $3] }
    return isGated ? GELUGate().definition([window]) : [window]
  }
}
