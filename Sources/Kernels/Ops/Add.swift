import CLBackend

/// Elementwise sum, the residual connection: `y = a + b`, all `[n, c, h, w]`.
///
/// Gradients: both are `gy` itself, so that no node is recorded.
///
/// Elementwise, bound by memory: on every backend an item takes a rectangle of pixels and channels,
/// so that neighbours read neighbouring memory on a GPU and long runs on a CPU.
package struct Add: CatalogOp, HalfStoringOp {
  public static let name = "Add"
  public static var cases: [OpCase] {
    [Shape(2, 3, 13, 17), Shape(1, 1, 1, 1), Shape(2, 5, 16, 16)].map { OpCase(Add(), [$0, $0]) }
  }

  package var activations: Activations { Activations([0, 1]) }

  /// The operator; it has no attributes.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(inputs.count == 2 && inputs[0] == inputs[1], "Add: \(inputs) differ")
    return [inputs[0]]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    [outputGradients[0], outputGradients[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (a, b, y) = (inputs[0], inputs[1], outputs[0])
    parallelFor(y.shape.n * y.shape.c) { plane in
      let (pa, pb) = (a.base + plane * a.planeStride, b.base + plane * b.planeStride)
      let py = y.base + plane * y.planeStride
      for i in 0..<y.shape.plane { py[i] = pa[i] + pb[i] }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let grid = ElementGrid(outputs[0].shape, backend.configuration)
    return [
      try backend.launch(
        Self.name, "add",
        [.tensor(inputs[0]), .tensor(inputs[1]), .tensor(outputs[0])] + grid.arguments,
        global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension Add: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    [ExactTensor(inputs[0].shape) { inputs[0][$0, $1, $2, $3] + inputs[1][$0, $1, $2, $3] }]
  }
}

extension Graph {
  /// `a + b`, both `[n, c, h, w]`.
  public func add(_ a: Tensor, _ b: Tensor) -> Tensor { apply(Add(), [a, b])[0] }
}
