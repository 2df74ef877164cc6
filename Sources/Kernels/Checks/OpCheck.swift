/// Evaluates one case of an operator between guard values.
///
/// Every tensor lies alone in its storage, with a guard zone before and behind it and between its
/// planes. Guards of inputs are NaN, so that a kernel which uses them yields NaN; outputs start as
/// NaN, so that an element that was not written shows; after the run every guard must still be what
/// it was.
///
/// That catches what a comparison of results alone lets through: reads beyond a tensor that happen
/// to find zeros, writes into a gap that nobody looks at, elements that keep the value of an
/// earlier run.
package enum OpCheck {
  /// What one evaluation gave.
  public struct Result: Sendable {
    /// The outputs, dense and row-major.
    public let outputs: [[Float]]
    /// What was written where nothing may be, one line each.
    public let violations: [String]
  }

  private static let guardCount = 80
  /// A number that half precision has too.
  private static let sentinel: Float = -12344

  /// Runs `check` on `backend` with the given inputs.
  /// - Parameter precision: how the operator's activations are stored; `half` only for a
  ///   `HalfStoringOp`.
  /// - Throws: the backend's error.
  public static func evaluate<B: Backend>(
    _ check: OpCase, inputs: [[Float]], storing precision: Precision = .float, on backend: B
  ) throws -> Result {
    let (op, halves) = storing(check.op, as: precision)
    let inputViews = try zip(check.inputs, inputs).enumerated().map { index, input in
      let (shape, values) = input
      let view = try makeView(
        shape, halves.inputs.contains(index) ? .half : .float, on: backend, guardValue: .nan)
      try backend.write(values, to: view)
      return view
    }
    let outputViews = try op.outputShapes(check.inputs).enumerated().map { index, shape in
      let view = try makeView(
        shape, halves.outputs.contains(index) ? .half : .float, on: backend, guardValue: sentinel)
      try backend.write([Float](repeating: .nan, count: shape.count), to: view)
      return view
    }
    let scratchViews = try backend.scratch(op, check.inputs).map { count in
      try makeView(Shape(1, 1, 1, count), .float, on: backend, guardValue: sentinel)
    }
    try backend.run(try backend.bind(op, inputViews, into: outputViews, scratch: scratchViews))
    try backend.synchronize()
    var violations: [String] = []
    for (kind, views) in [("output", outputViews), ("scratch", scratchViews)] {
      for (index, view) in views.enumerated() {
        let broken = try brokenGuards(of: view, on: backend)
        if broken > 0 { violations.append("\(kind) \(index): \(broken) guard values overwritten") }
      }
    }
    return Result(outputs: try outputViews.map { try backend.read($0) }, violations: violations)
  }

  /// `‖a − b‖ / ‖b‖` in double precision; infinite when anything is NaN or the counts differ.
  public static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (x, y) in zip(a, b) {
      difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
      norm += Double(y) * Double(y)
    }
    if norm == 0 { return difference == 0 ? 0 : .infinity }
    let error = (difference / norm).squareRoot()
    return error.isNaN ? .infinity : error
  }

  /// The operator with its activations stored as asked for, and which of them are half.
  private static func storing(
    _ op: any CatalogOp, as precision: Precision
  ) -> (op: any CatalogOp, halves: Activations) {
    guard precision == .half, let storing = op as? any HalfStoringOp else {
      return (op, Activations([], into: []))
    }
    guard var own = op as? any CatalogOp & HalfScratchOp else { return (op, storing.activations) }
    own.storesHalf = true
    return (own, storing.activations)
  }

  /// A tensor amid guard values: before it, behind it, and between its planes, which lie apart so
  /// that no row starts where a vector would by chance.
  private static func makeView<B: Backend>(
    _ shape: Shape, _ precision: Precision, on backend: B, guardValue: Float
  ) throws -> TensorView<B.Storage> {
    let stride = paddedPlaneStride(shape)
    let count = shape.n * shape.c * stride + 2 * guardCount
    let storage = try backend.makeStorage(count: precision.words(count))
    let whole = TensorView(
      storage, offset: 0, shape: Shape(1, 1, 1, count), precision: precision)
    try backend.fill(whole, with: guardValue)
    return TensorView(
      storage, offset: guardCount, shape: shape, planeStride: stride, precision: precision)
  }

  /// How many guard values around a tensor were written over.
  private static func brokenGuards<B: Backend>(
    of view: TensorView<B.Storage>, on backend: B
  ) throws -> Int {
    let count = view.extent + 2 * guardCount
    let all = try backend.read(
      TensorView(
        view.storage, offset: 0, shape: Shape(1, 1, 1, count), precision: view.precision))
    var broken = 0
    for (index, value) in all.enumerated() where value != sentinel {
      let inside = index - guardCount
      let owned =
        inside >= 0 && inside < view.extent && inside % view.planeStride < view.shape.plane
      if !owned { broken += 1 }
    }
    return broken
  }
}
