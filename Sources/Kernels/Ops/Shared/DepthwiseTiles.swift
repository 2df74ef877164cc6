import CLBackend

/// Output rows that one sweep of the kernel computes.
let depthwiseSweep = 4

/// How a CPU-type device divides planes for gradients of depthwise convolutions: `rows` by
/// `columns` pixels of several channels per work-item.
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
  var scratch: Int { Self.sums * shape.n * shape.c * planes * count }

  /// The work-items.
  var global: [Int] { [count, ceilingQuotient(shape.c, channelsPerItem), shape.n] }

  /// `channels, height, width, channels_per_item` of the kernels.
  var arguments: [KernelArgument] {
    [.int(shape.c), .int(shape.h), .int(shape.w), .int(channelsPerItem)]
  }

  /// Partial sums of a channel: of nine taps and the bias.
  static let sums = 10

  /// The numbers of every kernel of the section.
  static let defines = [
    "DEPTHWISE_ROWS": depthwiseSweep, "DEPTHWISE_SUMS": sums, "FRAME_ROWS": rows,
    "FRAME_COLUMNS": columns,
  ]

  /// The tunable: a sweep of as many rows as registers hold.
  func defines(_ configuration: KernelConfiguration) -> [String: Int] {
    ["DEPTHWISE_ROWS": configuration.blockVectors == 1 ? 2 : depthwiseSweep]
  }

  /// Adds up the partial sums: gradients of the weight and, if there are two outputs, of the bias.
  /// - Parameter parts: partial sums of a plane.
  func total(
    _ partial: DeviceTensor, parts: Int, into outputs: [DeviceTensor], on backend: OpenCLBackend
  ) throws -> Launch {
    let channels = planes * shape.c
    return try backend.launch(
      DepthwiseConv.section, "depthwise_conv_backward_sum",
      [
        .tensor(partial), .tensor(outputs[0]), .tensor(outputs[outputs.count - 1]),
        .int(outputs.count - 1), .int(shape.n), .int(channels), .int(parts),
      ], global: [channels], local: [32], defines: defines(backend.configuration))
  }
}
