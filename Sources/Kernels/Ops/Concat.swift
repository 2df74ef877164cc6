import CLBackend

/// Joins two tensors along the channels: `y[:, :p] = a`, `y[:, p:] = b`.
///
/// Inputs: `a: [n, p, h, w]`, `b: [n, q, h, w]`. Output: `[n, p + q, h, w]`.
///
/// The gradient of either input is a slice of `gy`.
///
/// Where the memory plan has laid the inputs side by side from the start (`ConcatViews`), there is
/// nothing to move, and no launch.
package struct Concat: CatalogOp, HalfStoringOp {
  public static let name = "Concat"
  public static var cases: [OpCase] {
    [
      OpCase(Concat(), [Shape(1, 1, 1, 1), Shape(1, 2, 1, 1)]),
      OpCase(Concat(), [Shape(2, 3, 13, 17), Shape(2, 2, 13, 17)]),
      OpCase(Concat(), [Shape(2, 4, 16, 16), Shape(2, 4, 16, 16)]),
      OpCase(Concat(), [Shape(1, 1, 130, 150), Shape(1, 2, 130, 150)]),
    ]
  }

  /// The operator; it has no attributes.
  public init() {}

  /// Joined where they lie, its inputs are parts of its output.
  package var activations: Activations { Activations([0, 1], alike: true) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[0].channels(1) == inputs[1].channels(1),
      "Concat: \(inputs) differ in more than channels")
    return [inputs[0].channels(inputs[0].c + inputs[1].c)]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return [nil, nil] }
    let (p, q) = (node.inputs[0].shape.c, node.inputs[1].shape.c)
    return [
      gy.graph.slice(gy, offset: 0, count: p), gy.graph.slice(gy, offset: p, count: q),
    ]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (a, b, y) = (inputs[0], inputs[1], outputs[0])
    parallelFor(y.shape.n * y.shape.c) { plane in
      let (n, c) = (plane / y.shape.c, plane % y.shape.c)
      let source = c < a.shape.c ? a.plane(n, c) : b.plane(n, c - a.shape.c)
      guard source != y.plane(n, c) else { return }
      y.plane(n, c).update(from: source, count: y.shape.plane)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (a, b, y) = (inputs[0], inputs[1], outputs[0])
    // A memory plan may have laid the inputs side by side from the start.
    let isJoined = [(a, 0), (b, a.shape.c * y.planeStride)].allSatisfy { view, start in
      view.storage === y.storage && view.offset == y.offset + start
        && view.planeStride == y.planeStride
    }
    if isJoined { return [] }
    let shape = y.shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "concat",
        [.tensor(inputs[0]), .tensor(inputs[1]), .tensor(outputs[0])] + grid.arguments
          + [.int(inputs[0].shape.c)], global: grid.global, local: grid.local,
        defines: HalfDefines.of(a, into: y))
    ]
  }
}

extension Concat: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (a, b) = (inputs[0], inputs[1])
    let first = a.shape.c
    return [
      ExactTensor(a.shape.channels(first + b.shape.c)) { n, c, i, j in
        c < first ? a[n, c, i, j] : b[n, c - first, i, j]
      }
    ]
  }
}

extension Graph {
  /// `a: [n, p, h, w]` and `b: [n, q, h, w]` joined along the channels: `[n, p + q, h, w]`.
  public func concat(_ a: Tensor, _ b: Tensor) -> Tensor { apply(Concat(), [a, b])[0] }
}
