import CLBackend

/// Sum over images and pixels: `s[c] = sum_{n, p} x[n, c, p]`, the bias gradient of every
/// convolution.
///
/// Input `[n, c, h, w]`, output `[c]`.
///
/// Sums of blocks are added up in order, so that the rounding error stays near that of one block
/// and every run gives the same bits.
package struct ChannelSum: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "ChannelSum"

  /// The operator; it has no attributes.
  public init() {}

  public static var cases: [OpCase] {
    [Shape(2, 3, 13, 17), Shape(1, 4, 1, 1), Shape(3, 2, 60, 70)].map {
      OpCase(ChannelSum(), [$0], [.unit])
    }
  }

  package var activations: Activations { Activations(into: []) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] { [.vector(inputs[0].c)] }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, y) = (inputs[0], outputs[0])
    parallelFor(x.shape.c) { c in
      var total: Float = 0
      for n in 0..<x.shape.n { total += blockedSum(x.plane(n, c), x.shape.plane) }
      y.base[c] = total
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[0].shape
    let items = backend.traits.isCPU ? 1 : backend.configuration.groupSize
    return [
      try backend.launch(
        Self.name, "channel_sum",
        [
          .tensor(inputs[0]), .tensor(outputs[0]), .int(shape.plane), .int(shape.n),
        ],
        global: [shape.c * items], local: [items], defines: HalfDefines.of(inputs[0]))
    ]
  }
}

extension ChannelSum: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    return [
      ExactTensor(.vector(x.shape.c)) { _, c, _, _ in ExactTensor.sum(x.shape) { x[$0, c, $1, $2] }
      }
    ]
  }
}
