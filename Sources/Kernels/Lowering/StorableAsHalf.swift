/// What an operator reads and writes, as far as its storage goes: tensors of a graph or pieces of a
/// composite.
struct StorageUse<Value: Hashable> {
  let op: any Op
  let inputs: [Value]
  let outputs: [Value]

  /// The values that may be half, as groups of which all are or none is.
  fileprivate var groups: [[Value]] {
    guard let places = (op as? any HalfStoringOp)?.activations else { return [] }
    let (read, written) = (places.inputs.map { inputs[$0] }, places.outputs.map { outputs[$0] })
    return places.areAlike ? [read + written] : [read, written]
  }

  /// The values that its kernels know as float alone.
  fileprivate var floats: Set<Value> { Set(inputs + outputs).subtracting(groups.joined()) }
}

/// The values that can be stored as half: those of which everyone who reads or writes them can, and
/// can for all others of their group.
/// - Parameters:
///   - uses: who reads and writes them.
///   - given: values from outside that are stored as half already.
///   - float: values that stay float, whoever could do otherwise.
func storableAsHalf<Value>(
  _ uses: [StorageUse<Value>], given: Set<Value> = [], float: Set<Value> = []
) -> Set<Value> {
  let written = Set(uses.flatMap { use in use.outputs })
  var half = given.union(written).subtracting(float)
  for use in uses { half.subtract(use.floats) }
  let groups = uses.flatMap(\.groups)
  // What one group loses may cost another its unity.
  while let broken = groups.first(where: {
    !half.isSuperset(of: $0) && !half.isDisjoint(with: $0)
  }) {
    half.subtract(broken)
  }
  return half
}

extension Graph {
  /// Stores as half what lies between operators: neither placeholders, parameters among them, nor
  /// `kept` tensors.
  func storeHalf(keeping kept: [Tensor]) {
    let uses = nodes.map { StorageUse(op: $0.op, inputs: $0.inputs, outputs: $0.outputs) }
    let half = storableAsHalf(uses, float: Set(kept))
    storeAsHalf(half)
    exchange(nodes.map { $0.storingHalf(half) })
  }
}

extension Node {
  /// The node, told whether its own temporary tensors are to be half like those it is given.
  fileprivate func storingHalf(_ half: Set<Tensor>) -> Node {
    guard var op = op as? any HalfScratchOp else { return self }
    op.storesHalf = half.contains(inputs[0])
    return Node(
      op: op, inputs: inputs, outputs: outputs, segment: segment, aliasing: aliasing, rules: rules)
  }
}
