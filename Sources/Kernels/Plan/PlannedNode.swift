/// A node of a plan as a query plan shows it.
public struct PlannedNode: Sendable, Hashable {
  /// The operator.
  public let op: String
  /// Shapes that it reads.
  public let inputs: [Shape]
  /// Shapes that it computes.
  public let outputs: [Shape]
  /// How what it computes lies in memory.
  public let precision: Precision
  /// The rewrites that made it, in order.
  public let rules: [String]
  /// Pieces of work that the backend starts for it; none where its inputs lie in place already.
  public let launches: Int
  /// Multiply-adds of one run.
  public let multiplyAdds: Int
  /// Bytes of what it reads and computes: the least that must move, none without a launch.
  public let bytes: Int
  /// Seconds of the longest of them on the slowest device that is reckoned with; nil where none is.
  public let longestLaunch: Double?
  /// Bytes of temporary memory.
  public let scratchBytes: Int

  init(_ node: Node, launches: Int, longestLaunch: Double?, scratch: Int) {
    (op, rules) = (node.op.name, node.rules)
    (inputs, outputs) = (node.inputs.map(\.shape), node.outputs.map(\.shape))
    (self.launches, multiplyAdds) = (launches, node.multiplyAdds)
    self.longestLaunch = longestLaunch
    precision = node.outputs[0].precision
    let moved = (node.inputs + node.outputs).reduce(0) { $0 + $1.precision.bytes * $1.shape.count }
    bytes = launches > 0 ? moved : 0
    scratchBytes = MemoryLayout<Float>.stride * scratch
  }
}

extension [PlannedNode] {
  /// Launches of one run.
  public var launches: Int { reduce(0) { $0 + $1.launches } }

  /// Seconds of the longest launch on the slowest device that is reckoned with, if one is.
  public var longestLaunch: Double? { compactMap(\.longestLaunch).max() }

  /// Multiply-adds of one run.
  public var multiplyAdds: Int { reduce(0) { $0 + $1.multiplyAdds } }

  /// Bytes that one run moves at least.
  public var bytes: Int { reduce(0) { $0 + $1.bytes } }

  /// How many nodes each rule had a part in, in the order of the rules.
  public var rules: [(name: String, nodes: Int)] {
    Rewrite.all.map { rule in (rule.name, count { $0.rules.contains(rule.name) }) }
      .filter { $0.1 > 0 }
  }

  /// Each distinct node with its number, in order of first appearance.
  public var distinct: [(node: PlannedNode, count: Int)] {
    var order: [PlannedNode] = []
    var counts: [PlannedNode: Int] = [:]
    for node in self {
      if counts[node] == nil { order.append(node) }
      counts[node, default: 0] += 1
    }
    return order.map { ($0, counts[$0] ?? 0) }
  }
}
