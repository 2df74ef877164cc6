import CLBackend
import CMicroKernels
import Foundation

/// The gate of the feed-forward network: `y = gelu(a) b`, where `a` and `b` are the two halves of
/// the channels.
///
/// Input: `x: [n, 2c, h, w]`. Output: `[n, c, h, w]`. GELU is the exact form `a Φ(a)`, Φ the normal
/// distribution function, computed with an absolute error below 5e-7.
///
/// Gradient: `GELUGateBackward`, which computes the gate again instead of keeping it.
///
/// `Φ` is a polynomial times the bell, whose error stays below 5e-7 everywhere; the built-in `erf`
/// would take 25 times as long on some devices.
package struct GELUGate: CatalogOp, HalfStoringOp {
  public static let name = "GELUGate"
  public static var cases: [OpCase] {
    shapes.map { OpCase(GELUGate(), [$0.channels(2 * $0.c)]) }
  }

  /// Output shapes of the cases.
  static let shapes = [
    Shape(1, 1, 1, 1), Shape(2, 3, 1, 9), Shape(2, 3, 13, 17), Shape(2, 4, 16, 16),
    Shape(1, 21, 8, 8), Shape(1, 2, 130, 150),
  ]

  /// The operator; it has no attributes.
  public init() {}

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 1 && inputs[0].c % 2 == 0, "GELUGate: \(inputs) has no two channel halves")
    return [inputs[0].channels(inputs[0].c / 2)]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return [nil] }
    return gy.graph.apply(GELUGateBackward(), [node.inputs[0], gy])
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, y) = (inputs[0], outputs[0])
    let channels = y.shape.c
    parallelFor(y.shape.n * channels) { plane in
      let (n, c) = (plane / channels, plane % channels)
      restormer_gelu_gate(
        x.plane(n, c), x.plane(n, channels + c), y.plane(n, c), y.shape.plane)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "gelu_gate", [.tensor(inputs[0]), .tensor(outputs[0])] + grid.arguments,
        global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension GELUGate: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let x = inputs[0]
    let half = x.shape.c / 2
    return [
      ExactTensor(x.shape.channels(half)) { n, c, i, j in
        let (a, b) = (x[n, c, i, j], x[n, half + c, i, j])
        return a * 0.5 * erfc(-a / 2.0.squareRoot()) * b
      }
    ]
  }
}

/// The gradient of the gate: `ga = gy b (Φ(a) + a φ(a))`, `gb = gy gelu(a)`, φ the normal density.
///
/// Inputs: `x: [n, 2c, h, w]`, `gy: [n, c, h, w]`. Output: `gx`, as `x`.
///
/// The slope of the gate needs `Φ(a)` and its density, which share one exponential.
package struct GELUGateBackward: TerminalOp, CatalogOp, HalfStoringOp {
  public static let name = "GELUGateBackward"
  public static let section = "GELUGate"
  public static var cases: [OpCase] {
    GELUGate.shapes.map { OpCase(Self(), [$0.channels(2 * $0.c), $0]) }
  }

  /// The operator; it has no attributes.
  public init() {}

  package var activations: Activations { Activations([0, 1]) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[0] == inputs[1].channels(2 * inputs[1].c),
      "GELUGateBackward: \(inputs) are not x and gy with half its channels")
    return [inputs[0]]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, gy, gx) = (inputs[0], inputs[1], outputs[0])
    let channels = gy.shape.c
    parallelFor(gy.shape.n * channels) { plane in
      let (n, c) = (plane / channels, plane % channels)
      restormer_gelu_gate_backward(
        x.plane(n, c), x.plane(n, channels + c), gy.plane(n, c), gx.plane(n, c),
        gx.plane(n, channels + c), gy.shape.plane)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = inputs[1].shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "gelu_gate_backward",
        [.tensor(inputs[0]), .tensor(inputs[1]), .tensor(outputs[0])] + grid.arguments,
        global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension GELUGateBackward: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let (x, gy) = (inputs[0], inputs[1])
    let half = gy.shape.c
    return [
      ExactTensor(x.shape) { n, c, i, j in
        let (a, b) = (x[n, c % half, i, j], x[n, half + c % half, i, j])
        let distribution = 0.5 * erfc(-a / 2.0.squareRoot())
        let density = exp(-a * a / 2) / (2 * Double.pi).squareRoot()
        return gy[n, c % half, i, j]
          * (c < half ? b * (distribution + a * density) : a * distribution)
      }
    ]
  }
}

extension Graph {
  /// `gelu(a) b` with the channel halves `a` and `b` of `x: [n, 2c, h, w]`; the result is
  /// `[n, c, h, w]`.
  public func geluGate(_ x: Tensor) -> Tensor { apply(GELUGate(), [x])[0] }
}
