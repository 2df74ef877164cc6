import CLBackend
import CMicroKernels

/// Lengths of the vectors in the cases.
let optimizerCounts = [1, 17, 800, 100_003]

/// Whether all shapes are `1 x 1 x 1 x N` with one N.
func areVectors(_ shapes: some Collection<Shape>) -> Bool {
  shapes.allSatisfy { $0 == shapes.first && $0.count == $0.w }
}

/// The numbers of a vector `1 x c x 1 x 1`.
func readVector(_ tensor: CPUTensor) -> [Float] {
  (0..<tensor.shape.c).map { tensor.plane(0, $0)[0] }
}

/// The launch of an elementwise update of vectors.
func optimizerLaunches(
  _ kernel: String, _ inputs: [DeviceTensor], _ outputs: [DeviceTensor],
  _ numbers: [KernelArgument] = [], on backend: OpenCLBackend
) throws -> [Launch] {
  let shape = outputs[0].shape
  let grid = ElementGrid(shape, backend.configuration)
  return [
    try backend.launch(
      "Optimizer", kernel,
      (inputs + outputs).map { .tensor($0) } + [.int(shape.w), .int(grid.pixelsPerItem)] + numbers,
      global: [grid.global[0]], local: [grid.local[0]],
      bytes: 4 * Double(shape.w * (inputs.count + outputs.count)))
  ]
}

/// `result = alpha x + beta y` over vectors.
func axpby(
  _ alpha: Float, _ x: CPUTensor, _ beta: Float, _ y: CPUTensor, into result: CPUTensor
) {
  parallelRanges(result.shape.w, grain: 65_536) { range in
    let i = range.lowerBound
    restormer_axpby(alpha, x.base + i, beta, y.base + i, result.base + i, range.count)
  }
}
