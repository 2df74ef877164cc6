import Kernels

/// One operator application with memory of its own: random inputs, outputs and temporary memory.
struct OperatorRun<B: Backend> {
  private let op: any Op
  private let inputs: [TensorView<B.Storage>]
  private let outputs: [TensorView<B.Storage>]
  private let scratch: [TensorView<B.Storage>]

  /// Allocates what `node` needs on `backend`.
  init(_ node: Node, on backend: B) throws {
    op = node.op
    inputs = try node.inputs.enumerated().map { index, tensor in
      try Self.makeView(tensor.shape, seed: UInt64(index + 1), on: backend)
    }
    outputs = try node.outputs.map { try Self.makeView($0.shape, seed: nil, on: backend) }
    scratch = try backend.scratch(node.op, node.inputs.map(\.shape)).map {
      try Self.makeView(Shape(1, 1, 1, $0), seed: nil, on: backend)
    }
  }

  /// The steps of the application on `backend`, which shares the memory of the one before.
  func bind(on backend: B) throws -> [B.Step] {
    try backend.bind(op, inputs, into: outputs, scratch: scratch)
  }

  private static func makeView(
    _ shape: Shape, seed: UInt64?, on backend: B
  ) throws -> TensorView<B.Storage> {
    let stride = paddedPlaneStride(shape)
    let view = TensorView(
      try backend.makeStorage(count: shape.n * shape.c * stride), offset: 0, shape: shape,
      planeStride: stride)
    try backend.fill(view, with: 0)
    if let seed {
      var generator = SplitMix64(seed: seed)
      try backend.write((0..<shape.count).map { _ in generator.nextUnit() - 0.5 }, to: view)
    }
    return view
  }
}
