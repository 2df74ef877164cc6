/// The time of one operator at one of the model's shapes.
public struct OperatorTiming: Sendable {
  /// The operator.
  public let name: String
  /// Input shapes.
  public let shapes: String
  /// How often the model applies it.
  public let count: Int
  /// One application.
  public let timing: Timing
  /// Multiply-adds of one application.
  public let multiplyAdds: Int
  /// Bytes of inputs and outputs of one application: the least that must move.
  public let bytes: Int
}

/// Times every distinct operator application of a recorded graph on its own.
public struct OperatorBenchmark<B: Backend> {
  private let backend: B
  private let repeats: Int

  /// Times on `backend`, each operator `repeats` times.
  public init(on backend: B, repeats: Int) { (self.backend, self.repeats) = (backend, repeats) }

  /// The distinct applications among `nodes`, in order of first appearance.
  /// - Throws: the backend's error.
  public func run(_ nodes: [Node]) throws -> [OperatorTiming] {
    var order: [String] = []
    var groups: [String: (node: Node, count: Int)] = [:]
    for node in nodes {
      let key = "\(node.op) \(node.inputs.map(\.shape))"
      if groups[key] == nil { order.append(key) }
      groups[key] = (node, (groups[key]?.count ?? 0) + 1)
    }
    return try order.compactMap { groups[$0] }.map { try time($0.node, count: $0.count) }
  }

  private func time(_ node: Node, count: Int) throws -> OperatorTiming {
    let shapes = node.inputs.map(\.shape)
    let steps = try OperatorRun(node.op, shapes, on: backend).bind(on: backend)
    let timing = try Timing.measure(repeats: repeats) {
      try backend.run(steps)
      try backend.synchronize()
    }
    let elements = (shapes + node.outputs.map(\.shape)).reduce(0) { $0 + $1.count }
    return OperatorTiming(
      name: node.op.name, shapes: shapes.map(\.description).joined(separator: " "), count: count,
      timing: timing, multiplyAdds: node.op.multiplyAdds(shapes), bytes: 4 * elements)
  }
}
