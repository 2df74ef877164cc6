import CLBackend
import CMicroKernels

/// LayerNorm over the channels of every pixel, as both variants of the official implementation
/// compute it.
///
/// With `mu` the mean and `r = 1 / sqrt(variance + 1e-5)` of a pixel's channels: with bias
/// `y = (x - mu) r w + b`; without `y = x r w`, scaled by the deviation but not centred.
///
/// Inputs: `x` `[n, c, h, w]`, `w` `[c]` and, with bias, `b` `[c]`. Outputs: `y` as `x`, then `mu`
/// and `r` `[n, 1, h, w]` for the backward pass.
///
/// Gradients: `LayerNormBackwardInput`, onto which a sum may be folded, and
/// `LayerNormBackwardWeight`.
///
/// The variance is that of centred values, and what rounding has left in the mean is taken out of
/// both: a mean a million times the deviation does not show in `y`. A NaN among the channels
/// reaches all of its pixel, and no other.
package struct LayerNorm: CatalogOp, HalfStoringOp {
  public static let name = "LayerNorm"
  static let epsilon: Float = 1e-5
  let hasBias: Bool

  /// The operator, centred and with a bias or neither.
  public init(bias: Bool) { hasBias = bias }

  static let testShapes = [
    Shape(2, 5, 13, 17), Shape(1, 3, 1, 1), Shape(1, 2, 1, 9), Shape(2, 24, 16, 16),
    Shape(1, 48, 9, 15),
    Shape(1, 200, 3, 5),
  ]

  public static var cases: [OpCase] {
    testShapes.flatMap { x in
      [
        OpCase(LayerNorm(bias: true), [x, .vector(x.c), .vector(x.c)]),
        OpCase(LayerNorm(bias: false), [x, .vector(x.c)]),
      ]
    }
  }

  /// The statistics stay float for the backward pass.
  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let x = inputs[0]
    precondition(
      inputs.count == (hasBias ? 3 : 2) && inputs.dropFirst().allSatisfy { $0 == .vector(x.c) },
      "LayerNorm: inputs \(inputs)")
    return [x, x.channels(1), x.channels(1)]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return node.inputs.map { _ in nil } }
    precondition(
      outputGradients[1] == nil && outputGradients[2] == nil,
      "LayerNorm: the statistics are not differentiated")
    let (x, w, mean, rstd) = (node.inputs[0], node.inputs[1], node.outputs[1], node.outputs[2])
    let gx = gy.graph.apply(LayerNormBackwardInput(bias: hasBias), [x, w, mean, rstd, gy])[0]
    let gw = gy.graph.apply(LayerNormBackwardWeight(bias: hasBias), [x, mean, rstd, gy])
    return [gx] + gw
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, w) = (inputs[0], inputs[1])
    let (y, mean, rstd) = (outputs[0], outputs[1], outputs[2])
    let bias = hasBias ? inputs[2].base : nil
    forEachPixelBlock(x.shape) { n, first, last in
      restormer_layer_norm(
        x.plane(n, 0) + first, x.planeStride, w.base, bias, y.plane(n, 0) + first, y.planeStride,
        mean.plane(n, 0) + first, rstd.plane(n, 0) + first, last - first, x.shape.c, Self.epsilon)
    }
  }

  /// Vectors of pixels of a work-item that goes through the channels on its own.
  static func vectors(_ configuration: KernelConfiguration) -> Int {
    configuration.traits.isCPU ? 4 : 1
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let arguments: [KernelArgument] = [
      .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[hasBias ? 2 : 1]),
      .tensor(outputs[0]), .tensor(outputs[1]), .tensor(outputs[2]), .int(shape.plane),
      .int(shape.c), .float(Self.epsilon), .int(hasBias ? 1 : 0),
    ]
    let halves = HalfDefines.of(inputs[0], into: outputs[0])
    let kernel = "layer_norm_groups"
    if let groups = try NormGroups.fitting(
      shape.c, kernel: kernel, on: backend, defines: halves)
    {
      return [
        try backend.launch(
          Self.name, kernel, arguments, global: groups.global(shape), local: groups.local,
          defines: groups.defines.merging(halves) { $1 })
      ]
    }
    let configuration = backend.configuration
    let vectors = LayerNorm.vectors(configuration)
    let columns = vectors * configuration.vectorWidth
    return [
      try backend.launch(
        Self.name, "layer_norm", arguments,
        global: [ceilingQuotient(shape.plane, columns), shape.n],
        local: [configuration.groupSize, 1], defines: halves)
    ]
  }
}

extension LayerNorm: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w) = (inputs[0], inputs[1].values)
    let pixels = x.shape.channels(1)
    func mean(_ f: (Int, Int, Int, Int) -> Double) -> ExactTensor {
      ExactTensor(pixels) { n, _, i, j in
        (0..<x.shape.c).reduce(0) { $0 + f(n, $1, i, j) } / Double(x.shape.c)
      }
    }
    let mu = mean { x[$0, $1, $2, $3] }
    func centred(_ n: Int, _ c: Int, _ i: Int, _ j: Int) -> Double {
      x[n, c, i, j] - mu[n, 0, i, j]
    }
    let variance = mean { centred($0, $1, $2, $3) * centred($0, $1, $2, $3) }
    let r = ExactTensor(
      pixels, variance.values.map { 1 / ($0 + Double(Self.epsilon)).squareRoot() })
    let y = ExactTensor(x.shape) { n, c, i, j in
      (hasBias ? centred(n, c, i, j) : x[n, c, i, j]) * r[n, 0, i, j] * w[c]
        + (hasBias ? inputs[2].values[c] : 0)
    }
    return [y, mu, r]
  }
}

extension Graph {
  /// LayerNorm over the channels of `x` `[n, c, h, w]`: centred and shifted with a `bias`, only
  /// scaled without; `weight` and `bias` are `[c]`.
  public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
    apply(LayerNorm(bias: bias != nil), [x, weight] + [bias].compactMap { $0 })[0]
  }
}
