import CLBackend

/// The mean over all elements of a function of `d = prediction − target`: `y = 1/N Σ f(d)`; and
/// beside it, from the same pass over both images, what every run reports: `1/N Σ |d|` and
/// `1/N Σ d²`.
///
/// Inputs: prediction and target, both `[n, c, h, w]`. Outputs: loss, L1 and MSE, one number each.
/// The target has no gradient.
public struct PixelLoss: CatalogOp {
  public static let name = "PixelLoss"
  package static var cases: [OpCase] {
    Kind.cases.flatMap { kind in lossShapes.map { OpCase(PixelLoss(kind), [$0, $0]) } }
  }

  /// What is averaged.
  public enum Kind: Hashable, Sendable {
    /// `f(d) = |d|`; its slope at 0 is 0.
    case l1
    /// `f(d) = d²`.
    case mse
    /// `f(d) = √(d² + ε²)`, a smooth `|d|`; the authors of Restormer take ε = 0.001. ε is positive.
    case charbonnier(epsilon: Float = 0.001)

    static let cases = [l1, mse, charbonnier(), charbonnier(epsilon: 0.5)]
  }

  /// What is averaged.
  public let kind: Kind

  /// The loss of that kind.
  public init(_ kind: Kind) { self.kind = kind }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[0] == inputs[1],
      "PixelLoss: prediction and target \(inputs) differ")
    return [.scalar, .scalar, .scalar]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    let parts = zip([kind, .l1, .mse], outputGradients).compactMap { kind, gy in
      gy.map { $0.graph.apply(PixelLossBackward(kind), node.inputs + [$0])[0] }
    }
    guard let first = parts.first else { return [nil, nil] }
    return [parts.dropFirst().reduce(first) { $0.graph.add($0, $1) }, nil]
  }

  package func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (prediction, target) = (inputs[0], inputs[1])
    let shape = prediction.shape
    let sums = parallelSums(shape.n * shape.c, terms: outputs.count) { plane, sums in
      let p = prediction.base + plane * prediction.planeStride
      let t = target.base + plane * target.planeStride
      for i in 0..<shape.plane {
        let d = p[i] - t[i]
        sums[0] += Double(kind.value(d))
        sums[1] += Double(abs(d))
        sums[2] += Double(d * d)
      }
    }
    for (sum, y) in zip(sums, outputs) { y.base[0] = Float(sum / Double(shape.count)) }
  }

  /// A partial sum of each kind for every work-group.
  package func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    [3 * SumGrid(inputs[0], configuration).partials]
  }

  package func launches(
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
          .int(grid.chunk), .int(grid.partials),
        ] + kind.arguments, global: grid.global, local: grid.local),
      try backend.launch(
        Self.section, "pixel_loss_sum",
        [.tensor(scratch[0])] + outputs.map { .tensor($0) } + [
          .int(grid.partials), .float(1 / Float(shape.count)),
        ], global: [3 * grid.totalGroup[0]], local: grid.totalGroup),
    ]
  }
}

extension PixelLoss: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let d = zip(inputs[0].values, inputs[1].values).map { $0 - $1 }
    return [kind, .l1, .mse].map { kind in
      ExactTensor(.scalar, [d.reduce(0) { $0 + kind.value($1) } / Double(d.count)])
    }
  }
}

extension PixelLoss.Kind {
  /// `f(d)`.
  func value<Number: BinaryFloatingPoint>(_ d: Number) -> Number {
    switch self {
    case .l1: abs(d)
    case .mse: d * d
    case .charbonnier(let epsilon): (d * d + Number(epsilon) * Number(epsilon)).squareRoot()
    }
  }

  /// `f'(d)`.
  func slope<Number: BinaryFloatingPoint>(_ d: Number) -> Number {
    switch self {
    case .l1: d > 0 ? 1 : d < 0 ? -1 : 0
    case .mse: 2 * d
    case .charbonnier: d / value(d)
    }
  }

  /// The kinds' numbers in the kernels.
  private static let numbers = (l1: 0, mse: 1, charbonnier: 2)

  static var defines: [String: Int] { ["LOSS_L1": numbers.l1, "LOSS_MSE": numbers.mse] }

  /// `kind, epsilon` of the kernels.
  var arguments: [KernelArgument] {
    switch self {
    case .l1: [.int(Self.numbers.l1), .float(0)]
    case .mse: [.int(Self.numbers.mse), .float(0)]
    case .charbonnier(let epsilon): [.int(Self.numbers.charbonnier), .float(epsilon)]
    }
  }
}

extension Graph {
  /// The mean of a function of the difference between two tensors `[n, c, h, w]`, and the mean
  /// absolute and mean squared difference: one number each.
  public func pixelLoss(
    _ kind: PixelLoss.Kind, _ prediction: Tensor, _ target: Tensor
  ) -> (loss: Tensor, l1: Tensor, mse: Tensor) {
    let means = apply(PixelLoss(kind), [prediction, target])
    return (means[0], means[1], means[2])
  }
}
