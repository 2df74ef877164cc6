import CLBackend

/// The gradient of a pixel loss: `gx = gy f'(prediction − target) / count`.
///
/// Inputs: prediction and target, both `[n, c, h, w]`, and the gradient `gy` of the loss, one
/// number. Output: as the prediction.
///
/// The loss is a mean: the factor is `gy` over the number of elements, computed once.
package struct PixelLossBackward: TerminalOp, CatalogOp, HalfStoringOp {
  public static let name = "PixelLossBackward"
  public static let section = "PixelLoss"
  public static var cases: [OpCase] {
    PixelLoss.Kind.cases.flatMap { kind in
      lossShapes.map {
        OpCase(Self(kind), [$0, $0, .scalar], [.symmetric, .symmetric, .scale])
      }
    }
  }

  /// The function that the loss averages.
  public let kind: PixelLoss.Kind

  /// The gradient of the loss of that kind.
  public init(_ kind: PixelLoss.Kind) { self.kind = kind }

  /// Prediction and target are images, which are float.
  package var activations: Activations { Activations([]) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 3 && inputs[0] == inputs[1] && inputs[2] == .scalar,
      "PixelLossBackward: \(inputs) are not prediction, target and one number")
    return [inputs[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (prediction, target, gx) = (inputs[0], inputs[1], outputs[0])
    let factor = inputs[2].base[0] / Float(gx.shape.count)
    parallelFor(gx.shape.n * gx.shape.c) { plane in
      let p = prediction.base + plane * prediction.planeStride
      let t = target.base + plane * target.planeStride
      let out = gx.base + plane * gx.planeStride
      for i in 0..<gx.shape.plane { out[i] = factor * kind.slope(p[i] - t[i]) }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "pixel_loss_backward",
        inputs.map { .tensor($0) } + [.tensor(outputs[0])] + grid.arguments + kind.arguments
          + [.float(1 / Float(shape.count))], global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension PixelLossBackward: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (prediction, target, gy) = (inputs[0], inputs[1], inputs[2].values[0])
    let d = zip(prediction.values, target.values).map { $0 - $1 }
    return [ExactTensor(prediction.shape, d.map { gy * kind.slope($0) / Double(d.count) })]
  }
}
