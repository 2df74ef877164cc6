import CLBackend
import CMicroKernels

/// Depthwise 3x3 convolution with zero padding of 1:
/// `y[n, c, i, j] = bias[c] + Σ w[c, ky, kx] x[n, c, i + ky − 1, j + kx − 1]`.
///
/// Inputs: `x: [n, c, h, w]`, `weight: [c, 1, 3, 3]` and, if there is one, `bias: [c]`. Output: as
/// `x`.
///
/// Gradients: `DepthwiseConvGradients`, of input, weight and bias in one sweep.
///
/// A kernel of nine taps moves more memory than it multiplies: each row of `x` is loaded once, at
/// three column offsets, and serves up to three rows of `y`. The CPU twin copies a few rows into a
/// frame of zeros first, so that its inner loop has no edges to test.
package struct DepthwiseConv: CatalogOp, HalfStoringOp {
  public static let name = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.flatMap { x in
      let weight = Shape(x.c, 1, 3, 3)
      return [
        OpCase(DepthwiseConv(), [x, weight]),
        OpCase(DepthwiseConv(), [x, weight, .vector(x.c)]),
      ]
    }
  }

  /// The operator; it has no attributes.
  public init() {}

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      (2...3).contains(inputs.count) && inputs[1] == Shape(inputs[0].c, 1, 3, 3)
        && inputs.dropFirst(2).allSatisfy { $0 == .vector(inputs[0].c) },
      "DepthwiseConv: \(inputs) are not x, weight [c, 1, 3, 3] and perhaps bias [c]")
    return [inputs[0]]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return node.inputs.map { _ in nil } }
    let (x, weight) = (node.inputs[0], node.inputs[1])
    let hasBias = node.inputs.count == 3
    return gy.graph.apply(DepthwiseConvGradients(bias: hasBias), [x, weight, gy])
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { 9 * inputs[0].count }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, y) = (inputs[0], outputs[0])
    let shape = y.shape
    parallelRanges(shape.n * shape.c, grain: depthwiseGrain(shape)) { planes in
      for plane in planes {
        let (n, c) = (plane / shape.c, plane % shape.c)
        restormer_depthwise_window(
          x.plane(n, c), shape.h, 0, shape.h, shape.h, shape.w, inputs[1].plane(c, 0), 0,
          inputs.count == 3 ? inputs[2].plane(0, c)[0] : 0, y.plane(n, c))
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    guard backend.traits.isCPU else {
      // The window that shows all rows.
      return try DepthwiseWindow(rows: 0..<shape.h, height: shape.h, gated: false)
        .launches(inputs, into: outputs, scratch: scratch, on: backend)
    }
    let grid = RowGrid(shape, rowsPerSweep: depthwiseSweep, backend.configuration)
    let hasBias = inputs.count == 3
    return [
      try backend.launch(
        Self.section, "depthwise_conv",
        [
          .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[hasBias ? 2 : 1]),
          .tensor(outputs[0]), .int(hasBias ? 1 : 0),
        ] + grid.arguments, global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]),
        multiplyAdds: multiplyAdds(inputs.map(\.shape)))
    ]
  }
}

extension DepthwiseConv: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, w) = (inputs[0], inputs[1])
    return [
      ExactTensor(x.shape) { n, c, i, j in
        taps.reduce(inputs.count == 3 ? inputs[2].values[c] : 0) { sum, tap in
          sum + w[c, 0, tap.0, tap.1] * x[n, c, i + tap.0 - 1, j + tap.1 - 1]
        }
      }
    ]
  }
}

extension Graph {
  /// Depthwise 3x3 convolution with padding 1: `x: [n, c, h, w]`, `weight: [c, 1, 3, 3]`,
  /// `bias: [c]`.
  public func depthwiseConv(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    apply(DepthwiseConv(), [x, weight] + (bias.map { [$0] } ?? []))[0]
  }
}
