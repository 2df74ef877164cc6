import Basics

/// One operator application with memory of its own: random inputs, and outputs.
///
/// The memory stays when the operator is bound again with other numbers, so that trials of a tuner
/// find caches and pages alike.
struct OperatorRun<B: Backend> {
  private let op: any Op
  private let inputs: [TensorView<B.Storage>]
  private let outputs: [TensorView<B.Storage>]

  /// Allocates what `op` on inputs of `shapes` needs on `backend`.
  init(_ op: any Op, _ shapes: [Shape], on backend: B) throws {
    self.op = op
    inputs = try shapes.enumerated().map { index, shape in
      try Self.makeView(shape, seed: UInt64(index + 1), on: backend)
    }
    outputs = try op.outputShapes(shapes).map { try Self.makeView($0, seed: nil, on: backend) }
  }

  /// The steps of the application on `backend`, which shares the device of the one before.
  func bind(on backend: B) throws -> [B.Step] {
    let scratch = try backend.scratch(op, inputs.map(\.shape)).map {
      try Self.makeView(Shape(1, 1, 1, $0), seed: nil, on: backend)
    }
    return try backend.bind(op, inputs, into: outputs, scratch: scratch)
  }

  /// Gaps between planes hold zeros: what lies there must not slow arithmetic down, as denormal
  /// numbers would.
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
