import CLBackend
import CMicroKernels

/// Weight gradient of a 1x1 convolution: `gW[o, i] = sum_{n, p} gy[n, o, p] x[n, i, p]`.
///
/// Inputs: `x` `[n, ci, h, w]`, `gy` `[n, co, h, w]`; output `[co, ci, 1, 1]`. A product over many pixels: slices of
/// pixels are summed apart, then the partial sums in a fixed order.
public struct Conv1x1BackwardWeight: CatalogOp, TerminalOp {
  public static let name = "Conv1x1BackwardWeight"
  public static let section = "Conv1x1"

  /// The operator; it has no attributes.
  public init() {}

  public static var cases: [OpCase] {
    [(2, 5, 7, 13, 17), (1, 3, 4, 1, 1), (2, 24, 29, 9, 16), (1, 9, 6, 50, 67)].map {
      OpCase(
        Conv1x1BackwardWeight(), [Shape($0.0, $0.1, $0.3, $0.4), Shape($0.0, $0.2, $0.3, $0.4)],
        tolerance: 2e-5)
    }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let (x, gy) = (inputs[0], inputs[1])
    precondition(x.channels(1) == gy.channels(1), "Conv1x1BackwardWeight: \(inputs) differ")
    return [Shape(gy.c, x.c, 1, 1)]
  }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    [sliceCount(inputs[0].plane) * inputs[0].c * inputs[1].c]
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    cpuScratch(inputs)
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, gy, gw) = (inputs[0], inputs[1], outputs[0])
    let count = gw.shape.count
    let slices = sliceCount(x.shape.plane)
    let slice = sliceLength(x.shape.plane)
    let run = runLength(x.shape.c + gy.shape.c)
    let partial = scratch[0].base
    parallelFor(slices) { s in
      let sum = partial + s * count
      sum.update(repeating: 0, count: count)
      let end = min((s + 1) * slice, x.shape.plane)
      for n in 0..<x.shape.n {
        for begin in stride(from: s * slice, to: end, by: run) {
          restormer_outer(
            gy.plane(n, 0) + begin, gy.planeStride, x.plane(n, 0) + begin, x.planeStride, sum,
            x.shape.c, Int32(min(run, end - begin)), Int32(x.shape.c), Int32(gy.shape.c))
        }
      }
    }
    sumSlices(partial, slices: slices, count: count, into: gw.base)
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, gy, gw) = (inputs[0], inputs[1], outputs[0])
    let slices = sliceCount(x.shape.plane)
    // Few slices of few pixels: share the output channels out too, in blocks of whole registers.
    let parts = max(1, min((gy.shape.c + 15) / 16, 32 / slices))
    let rows = roundUp((gy.shape.c + parts - 1) / parts, 4)
    let products = Double(x.shape.n * x.shape.plane) * Double(gw.shape.count)
    let width = backend.configuration.isCPUFamily && backend.configuration.blockVectors == 1 ? 2 : 4
    return [
      try backend.launch(
        Self.section, "conv1x1_backward_weight",
        [
          .tensor(x), .tensor(gy), .region(scratch[0]), .int(x.shape.plane), .int(x.shape.c),
          .int(gy.shape.c), .int(x.shape.n), .int(sliceLength(x.shape.plane)),
          .int(runLength(x.shape.c + gy.shape.c)), .int(rows),
        ],
        global: [slices, (gy.shape.c + rows - 1) / rows], local: [1, 1],
        defines: ["OUTER_ROWS": width], flops: 2 * products,
        bytes: 4 * Double(x.shape.count + gy.shape.count)),
      try backend.launch(
        Self.section, "conv1x1_backward_weight_sum",
        [.region(scratch[0]), .tensor(gw), .int(gw.shape.count), .int(slices)],
        global: [gw.shape.count], local: [64]),
    ]
  }
}

/// Slices of a plane whose sums are kept apart: enough for many cores, few enough to add up quickly.
func sliceCount(_ pixels: Int) -> Int {
  let length = sliceLength(pixels)
  return (pixels + length - 1) / length
}

/// Pixels of one slice.
func sliceLength(_ pixels: Int) -> Int { max(64, roundUp((pixels + 15) / 16, 16)) }

/// Pixels taken at a time so that a run of all channels stays in the second-level cache.
func runLength(_ channels: Int) -> Int { max(32, min(1024, 65536 / channels / 16 * 16)) }

/// Adds the partial sums of all slices in order.
func sumSlices(
  _ partial: UnsafeMutablePointer<Float>, slices: Int, count: Int,
  into total: UnsafeMutablePointer<Float>
) {
  parallelRanges(count, grain: 4096) { range in
    for index in range {
      var sum: Float = 0
      for s in 0..<slices { sum += partial[s * count + index] }
      total[index] = sum
    }
  }
}
