import CLBackend
import CMicroKernels

/// The gradient of a depthwise convolution's input: the convolution of `gy` with the taps in reverse order.
///
/// Inputs: `gy: [n, c, h, w]`, `weight: [c, 1, 3, 3]`. Output: `gx`, as `gy`.
public struct DepthwiseConvBackwardInput: TerminalOp, CatalogOp {
  public static let name = "DepthwiseConvBackwardInput"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.map { OpCase(Self(), [$0, Shape($0.c, 1, 3, 3)]) }
  }

  /// The operator; it has no attributes.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[1] == Shape(inputs[0].c, 1, 3, 3),
      "DepthwiseConvBackwardInput: \(inputs) are not gy and weight [c, 1, 3, 3]")
    return [inputs[0]]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { 9 * inputs[0].count }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let weight = inputs[1]
    depthwisePlanes(
      inputs[0], into: outputs[0], taps: { c in (0..<9).map { weight.plane(c, 0)[8 - $0] } },
      bias: { _ in 0 })
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    let grid = RowGrid(shape, rowsPerSweep: depthwiseSweep, backend.configuration)
    return [
      try backend.launch(
        Self.section, "depthwise_conv_backward_input",
        [.tensor(inputs[0]), .tensor(inputs[1]), .tensor(outputs[0])] + grid.arguments,
        global: grid.global, local: grid.local, defines: ["DEPTHWISE_ROWS": depthwiseSweep],
        flops: 18 * Double(shape.count), bytes: 8 * Double(shape.count))
    ]
  }
}

/// The gradients of a depthwise convolution's weight and bias:
/// `gw[c, ky, kx] = Σ gy[n, c, i, j] x[n, c, i + ky − 1, j + kx − 1]`, `gb[c] = Σ gy[n, c, i, j]`.
///
/// Inputs: `x` and `gy`, both `[n, c, h, w]`. Outputs: `gw: [c, 1, 3, 3]` and, with `bias`, `gb: [c]`.
/// The sums run in two stages of fixed order.
public struct DepthwiseConvBackwardWeight: TerminalOp, CatalogOp {
  public static let name = "DepthwiseConvBackwardWeight"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.flatMap { shape in
      [false, true].map { OpCase(Self(bias: $0), [shape, shape], tolerance: 5e-5) }
    }
  }

  /// Whether the bias gradient is computed too.
  public let bias: Bool

  /// The gradient of the weight, and of the bias if `bias`.
  public init(bias: Bool) { self.bias = bias }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[0] == inputs[1],
      "DepthwiseConvBackwardWeight: x and gy \(inputs) differ")
    let c = inputs[0].c
    return [Shape(c, 1, 3, 3)] + (bias ? [.vector(c)] : [])
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { 9 * inputs[0].count }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, gy, shape) = (inputs[0], inputs[1], inputs[0].shape)
    parallelFor(shape.c) { c in
      let taps = depthwiseSums(x, gy, channel: c)
      for k in 0..<9 { outputs[0].plane(c, 0)[k] = Float(taps[k]) }
      if bias {
        let sum = (0..<shape.n).reduce(0) { $0 + restormer_sum(gy.plane($1, c), shape.plane) }
        outputs[1].plane(0, c)[0] = Float(sum)
      }
    }
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let shape = inputs[0]
    return [10 * shape.n * shape.c * DepthwiseSumGrid(shape, configuration).groups]
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let grid = DepthwiseSumGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "depthwise_conv_backward_weight",
        [.tensor(inputs[0]), .tensor(inputs[1]), .tensor(scratch[0])] + grid.arguments,
        global: grid.global, local: grid.local, defines: ["DEPTHWISE_ROWS": depthwiseSweep],
        flops: 18 * Double(shape.count), bytes: 8 * Double(shape.count)),
      try backend.launch(
        Self.section, "depthwise_conv_backward_weight_total",
        [
          .tensor(scratch[0]), .tensor(outputs[0]), .tensor(outputs[bias ? 1 : 0]),
          .int(bias ? 1 : 0), .int(shape.n), .int(shape.c), .int(grid.groups),
        ], global: [shape.c], local: [32], defines: ["DEPTHWISE_ROWS": depthwiseSweep]),
    ]
  }
}

/// How the first stage of the weight gradient divides the planes.
private struct DepthwiseSumGrid {
  /// Row groups of a plane.
  let groups: Int
  let global: [Int]
  let local: [Int]
  let arguments: [KernelArgument]

  init(_ shape: Shape, _ configuration: KernelConfiguration) {
    let items = configuration.traits.isCPU ? 1 : configuration.groupSize
    let target = min(8192, max(1024, shape.count / 64))
    let rowsPerGroup = min(shape.h, max(1, target / shape.w))
    let channelsPerGroup = configuration.traits.isCPU ? max(1, target / shape.plane) : 1
    groups = ceilingQuotient(shape.h, rowsPerGroup)
    global = [groups * items, ceilingQuotient(shape.c, channelsPerGroup), shape.n]
    local = [items, 1, 1]
    arguments = [
      .int(shape.c), .int(shape.h), .int(shape.w), .int(rowsPerGroup), .int(channelsPerGroup),
      .int(min(items, shape.w)),
    ]
  }
}
