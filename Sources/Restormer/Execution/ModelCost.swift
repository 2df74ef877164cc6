import Kernels

/// What one forward pass costs.
public struct ModelCost: Sendable {
  /// Multiply-adds of convolutions and attention products.
  public let multiplyAdds: Int
  /// Bytes of activations that live at once, at most.
  public let activationBytes: Int
  /// The same where memory is saved at the cost of time.
  public let leanActivationBytes: Int
  /// Bytes of parameters.
  public let parameterBytes: Int
}

extension RestormerModel {
  /// The cost of one `width x height` image, padded to multiples of 8, restored whole on the CPU backend; devices add a
  /// little for wider bands.
  public func cost(width: Int, height: Int) -> ModelCost {
    let (width, height) = (roundUp(width, Self.sizeMultiple), roundUp(height, Self.sizeMultiple))
    func plan(_ saving: MemorySaving) -> (nodes: [Node], bytes: Int) {
      let recording = inference(
        height: height, width: width, saving: saving, on: .host, rules: .all)
      let memory = MemoryPlan(
        nodes: recording.graph.nodes, kept: [recording.output, recording.input],
        external: Set(recording.parameters.map(\.id)), limit: .max,
        scratch: { ($0 as? any CPUOp)?.cpuScratch($1) ?? [] })
      return (recording.graph.nodes, memory.bytes)
    }
    let (fast, lean) = (plan(.none), plan(.values))
    return ModelCost(
      multiplyAdds: fast.nodes.reduce(0) { $0 + $1.multiplyAdds }, activationBytes: fast.bytes,
      leanActivationBytes: lean.bytes, parameterBytes: 4 * parameterExtent)
  }
}
