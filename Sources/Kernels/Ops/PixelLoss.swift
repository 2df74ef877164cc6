import CLBackend

/// What a pixel loss averages, as a function of `d = prediction − target`.
public enum PixelLossKind: Hashable, Sendable {
  /// `|d|`; its slope at 0 is 0.
  case l1
  /// `d²`.
  case mse
  /// `√(d² + ε²)`.
  case charbonnier(epsilon: Float)

  func value(_ d: Float) -> Float {
    switch self {
    case .l1: abs(d)
    case .mse: d * d
    case .charbonnier(let epsilon): (d * d + epsilon * epsilon).squareRoot()
    }
  }

  func slope(_ d: Float) -> Float {
    switch self {
    case .l1: d > 0 ? 1 : d < 0 ? -1 : 0
    case .mse: 2 * d
    case .charbonnier(let epsilon): d / (d * d + epsilon * epsilon).squareRoot()
    }
  }

  /// `kind, epsilon` of the kernels.
  var arguments: [KernelArgument] {
    switch self {
    case .l1: [.int(0), .float(0)]
    case .mse: [.int(1), .float(0)]
    case .charbonnier(let epsilon): [.int(2), .float(epsilon)]
    }
  }
}

/// A loss that is the mean of a function of the difference, over all elements.
///
/// Inputs: prediction and target, both `[n, c, h, w]`. Output: one number. The target has no gradient.
public protocol PixelLoss: CatalogOp {
  /// The function that is averaged.
  var kind: PixelLossKind { get }
}

extension PixelLoss {
  public static var section: String { "PixelLoss" }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[0] == inputs[1],
      "\(Self.name): prediction and target \(inputs) differ")
    return [.scalar]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return [nil, nil] }
    return gy.graph.apply(PixelLossBackward(kind), node.inputs + [gy]) + [nil]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (prediction, target) = (inputs[0], inputs[1])
    let shape = prediction.shape
    let sum = parallelSum(shape.n * shape.c) { plane in
      let p = prediction.base + plane * prediction.planeStride
      let t = target.base + plane * target.planeStride
      var sum = 0.0
      for i in 0..<shape.plane { sum += Double(kind.value(p[i] - t[i])) }
      return sum
    }
    outputs[0].base[0] = Float(sum / Double(shape.count))
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
        Self.section, "pixel_loss",
        [
          .tensor(inputs[0]), .tensor(inputs[1]), .tensor(scratch[0]), .int(shape.plane),
          .int(grid.chunk),
        ] + kind.arguments, global: grid.global, local: grid.local,
        flops: 3 * Double(shape.count), bytes: 8 * Double(shape.count)),
      try backend.launch(
        Self.section, "pixel_loss_total",
        [
          .tensor(scratch[0]), .tensor(outputs[0]), .int(grid.partials),
          .float(1 / Float(shape.count)),
        ], global: grid.totalGroup, local: grid.totalGroup),
    ]
  }
}

/// Shapes of the loss cases.
let lossShapes = [
  Shape(1, 1, 1, 1), Shape(2, 3, 13, 17), Shape(2, 3, 16, 16), Shape(1, 2, 130, 150),
]

/// `Σ body(i)` for i below `count`: computed on all cores, added in order.
func parallelSum(_ count: Int, _ body: (Int) -> Double) -> Double {
  withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { sums in
    guard let base = sums.baseAddress else { return 0 }
    parallelFor(count) { base[$0] = body($0) }
    return sums.reduce(0, +)
  }
}
