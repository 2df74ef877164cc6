import CLBackend

/// A constant tensor, the seed of a backward pass: `y = value`. It has no inputs.
///
/// Gradients start from one: `Fill(1, .scalar)` is the seed of a backward pass.
package struct Fill: CatalogOp {
  public static let name = "Fill"
  public static var cases: [OpCase] {
    [Shape.scalar, Shape(2, 3, 13, 17), Shape(1, 2, 130, 150)].map {
      OpCase(Fill(0.75, $0), [])
    }
  }

  /// The number.
  public let value: Float
  /// The extent.
  public let shape: Shape

  /// `value` everywhere in `shape`.
  public init(_ value: Float, _ shape: Shape) { (self.value, self.shape) = (value, shape) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(inputs.isEmpty, "Fill: inputs \(inputs)")
    return [shape]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] { [] }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let y = outputs[0]
    parallelFor(shape.n * shape.c) { plane in
      (y.base + plane * y.planeStride).update(repeating: value, count: shape.plane)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "fill", [.tensor(outputs[0])] + grid.arguments + [.float(value)],
        global: grid.global, local: grid.local)
    ]
  }
}

extension Fill: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    [ExactTensor(shape) { _, _, _, _ in Double(value) }]
  }
}

extension Graph {
  /// A tensor that is `value` everywhere.
  public func fill(_ value: Float, _ shape: Shape) -> Tensor { apply(Fill(value, shape), [])[0] }
}
