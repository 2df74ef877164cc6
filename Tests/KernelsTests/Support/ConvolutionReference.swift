import Kernels

/// A dense convolution and its gradients by the operators' definitions.
struct ConvolutionReference {
  /// The input `[n, ci, h, w]`.
  let x: Shape
  /// The weight `[co, ci, k, k]`.
  let weight: Shape

  /// The output `[n, co, h, w]`.
  var y: Shape { x.channels(weight.n) }

  /// `y`, plus a number per output channel and an addend if given.
  func output(
    _ values: [Double], _ taps: [Double], bias: [Double]? = nil, residual: [Double]? = nil
  ) -> [Double] {
    let op: any DefinedOp =
      weight.h == 1
      ? Conv1x1(bias: bias != nil, residual: residual != nil) : Conv3x3(bias: bias != nil)
    let shapes = [x, weight] + (bias.map { _ in [.vector(weight.n)] } ?? []) + [y]
    return definition(op, shapes)([values, taps] + [bias, residual].compactMap { $0 })
  }

  /// The gradients of `Σ gy y` with respect to input, weight and bias.
  func gradients(
    _ values: [Double], _ taps: [Double], _ gy: [Double]
  ) -> (x: [Double], weight: [Double], bias: [Double]) {
    let back: any DefinedOp =
      weight.h == 1 ? Conv1x1(transposed: true) : Conv3x3(transposed: true)
    let toWeight: any DefinedOp =
      weight.h == 1 ? Conv1x1BackwardWeight() : Conv3x3BackwardWeight()
    return (
      definition(back, [y, weight])([gy, taps]), definition(toWeight, [x, y])([values, gy]),
      definition(ChannelSum(), [y])([gy])
    )
  }
}
