import CLBackend

/// All gradients of a depthwise convolution: those of `DepthwiseConvBackwardInput` and `DepthwiseConvBackwardWeight`, in
/// one sweep over `x` and `gy` on CPU-type devices.
///
/// Inputs: `x: [n, c, h, w]`, `weight: [c, 1, 3, 3]`, `gy` as `x`. Outputs: `gx` as `x`, `gw` as the weight and, with
/// `bias`, `gb: [c]`.
public struct DepthwiseConvGradients: TerminalOp, CatalogOp {
  public static let name = "DepthwiseConvGradients"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseShapes.cases.flatMap { shape in
      [false, true].map {
        OpCase(Self(bias: $0), [shape, Shape(shape.c, 1, 3, 3), shape], tolerance: 5e-5)
      }
    }
  }

  private let input = DepthwiseConvBackwardInput()
  private let weight: DepthwiseConvBackwardWeight

  /// The gradients of a convolution with or without bias.
  public init(bias: Bool) { weight = DepthwiseConvBackwardWeight(bias: bias) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(inputs.count == 3, "DepthwiseConvGradients: \(inputs) are not x, weight and gy")
    return input.outputShapes([inputs[2], inputs[1]])
      + weight.outputShapes([inputs[0], inputs[2]])
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int { 18 * inputs[0].count }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[2])
    input.evaluate([gy, w], into: [outputs[0]], scratch: [])
    weight.evaluate([x, gy], into: Array(outputs[1...]), scratch: [])
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    guard configuration.traits.isCPU else {
      return weight.openCLScratch([inputs[0], inputs[2]], configuration)
    }
    return [DepthwiseTiles(inputs[0]).scratch]
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[2])
    guard backend.traits.isCPU else {
      return try input.launches([gy, w], into: [outputs[0]], scratch: [], on: backend)
        + weight.launches([x, gy], into: Array(outputs[1...]), scratch: scratch, on: backend)
    }
    let tiles = DepthwiseTiles(x.shape)
    let count = Double(x.shape.count)
    return [
      try backend.launch(
        Self.section, "depthwise_conv_backward",
        [.tensor(x), .tensor(w), .tensor(gy), .tensor(outputs[0]), .tensor(scratch[0])]
          + tiles.arguments, global: tiles.global, local: [1, 1, 1],
        defines: tiles.defines(backend.configuration),
        flops: 36 * count, bytes: 12 * count),
      try tiles.total(scratch[0], into: Array(outputs[1...]), on: backend),
    ]
  }
}

/// How a CPU-type device divides planes for gradients of depthwise convolutions: `rows` by `columns` pixels of
/// several channels per work-item.
struct DepthwiseTiles {
  private static let rows = 32
  private static let columns = 128
  /// Tiles of a plane.
  let count: Int
  /// Channels of a work-item.
  private let channelsPerItem: Int
  private let shape: Shape
  private let planes: Int

  /// The tiles of planes of `shape`, whose channels are divided; each stands for `planes` planes.
  init(_ shape: Shape, planes: Int = 1) {
    (self.shape, self.planes) = (shape, planes)
    count = ceilingQuotient(shape.h, Self.rows) * ceilingQuotient(shape.w, Self.columns)
    let perTile = min(shape.h, Self.rows) * min(shape.w, Self.columns)
    channelsPerItem = max(1, min(8192, shape.count / 64) / perTile)
  }

  /// Elements of all partial sums.
  var scratch: Int { 10 * shape.n * shape.c * planes * count }

  /// The work-items.
  var global: [Int] { [count, ceilingQuotient(shape.c, channelsPerItem), shape.n] }

  /// `channels, height, width, channels_per_item` of the kernels.
  var arguments: [KernelArgument] {
    [.int(shape.c), .int(shape.h), .int(shape.w), .int(channelsPerItem)]
  }

  /// The tunables: a sweep of as many rows as registers hold.
  func defines(_ configuration: KernelConfiguration) -> [String: Int] {
    [
      "FRAME_ROWS": Self.rows, "FRAME_COLUMNS": Self.columns,
      "DEPTHWISE_ROWS": configuration.blockVectors == 1 ? 2 : depthwiseSweep,
    ]
  }

  /// Adds up the partial sums: gradients of the weight and, if there are two outputs, of the bias.
  func total(
    _ partial: DeviceTensor, into outputs: [DeviceTensor], on backend: OpenCLBackend
  ) throws -> Launch {
    let channels = planes * shape.c
    return try backend.launch(
      DepthwiseConv.section, "depthwise_conv_backward_weight_total",
      [
        .tensor(partial), .tensor(outputs[0]), .tensor(outputs[outputs.count - 1]),
        .int(outputs.count - 1), .int(shape.n), .int(channels), .int(count),
      ], global: [channels], local: [32], defines: defines(backend.configuration))
  }
}
