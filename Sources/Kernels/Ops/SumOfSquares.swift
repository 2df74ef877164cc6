import CLBackend
import CMicroKernels

/// The sum of squares of all elements, for the gradient norm; NaN and infinity stay visible.
///
/// Input: `x: [n, c, h, w]`. Output: one number. The sum runs in two stages of fixed order.
///
/// Sums of a chunk stay short, and sums of those sums are added in order: the rounding error does
/// not grow with the number of elements, and every run gives the same bits.
package struct SumOfSquares: TerminalOp, CatalogOp {
  public static let name = "SumOfSquares"
  public static var cases: [OpCase] {
    [
      Shape.scalar, Shape(1, 1, 1, 77), Shape(2, 3, 13, 17), Shape(1, 1, 1, 100_003),
      Shape(1, 2, 64, 64),
    ].map { OpCase(SumOfSquares(), [$0]) }
  }

  /// The operator; it has no attributes.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(inputs.count == 1, "SumOfSquares: \(inputs.count) inputs")
    return [.scalar]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let x = inputs[0]
    let chunk = 65_536
    let chunks = ceilingQuotient(x.shape.plane, chunk)
    let sums = parallelSums(x.shape.n * x.shape.c * chunks, terms: 1) { part, sum in
      let first = part % chunks * chunk
      sum[0] = restormer_sum_of_squares(
        x.base + part / chunks * x.planeStride + first, min(chunk, x.shape.plane - first))
    }
    outputs[0].base[0] = Float(sums[0])
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    [SumGrid(inputs[0], configuration).partials]
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let grid = SumGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "sum_of_squares",
        [.tensor(inputs[0]), .tensor(scratch[0]), .int(shape.plane), .int(grid.chunk)],
        global: grid.global, local: grid.local),
      try backend.launch(
        Self.section, "sum_of_squares_sum",
        [.tensor(scratch[0]), .tensor(outputs[0]), .int(grid.partials)],
        global: grid.totalGroup, local: grid.totalGroup),
    ]
  }
}

extension SumOfSquares: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    [ExactTensor(.scalar, [inputs[0].values.reduce(0) { $0 + $1 * $1 }])]
  }
}
