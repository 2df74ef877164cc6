import CLBackend

/// The middle of the feed-forward network in one sweep: `y = gelu(a) b`, where `a` and `b` are the
/// two halves of the channels of a depthwise 3x3 convolution.
///
/// Inputs: `x: [n, 2c, h, w]`, `weight: [2c, 1, 3, 3]` and, if there is one, `bias: [2c]`. Output:
/// `[n, c, h, w]`.
///
/// Equal to `GELUGate` of `DepthwiseConv`, whose result, the widest tensor of a block, is neither
/// stored nor kept for the backward pass: that computes it again from `x`.
package struct DepthwiseGate: CatalogOp, HalfStoringOp {
  public static let name = "DepthwiseGate"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.flatMap { shape in
      let x = shape.channels(2 * shape.c)
      let weight = Shape(x.c, 1, 3, 3)
      return [OpCase(Self(), [x, weight]), OpCase(Self(), [x, weight, .vector(x.c)])]
    }
  }

  /// The operator; it has no attributes.
  public init() {}

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] { window(inputs[0]).outputShapes(inputs) }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return node.inputs.map { _ in nil } }
    return gy.graph.apply(DepthwiseGateGradients(bias: node.inputs.count == 3), node.inputs + [gy])
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    window(inputs[0].shape).evaluate(inputs, into: outputs, scratch: scratch)
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    try window(inputs[0].shape).launches(inputs, into: outputs, scratch: scratch, on: backend)
  }

  /// The window that shows all rows.
  private func window(_ x: Shape) -> DepthwiseWindow {
    DepthwiseWindow(rows: 0..<x.h, height: x.h, gated: true)
  }
}

extension DepthwiseGate: FusedOp {
  package func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor {
    graph.geluGate(
      graph.depthwiseConv(
        inputs[0], weight: inputs[1], bias: inputs.count == 3 ? inputs[2] : nil))
  }
}
