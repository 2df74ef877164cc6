/// The work-group of `conv3x3_tiles`: a rectangle of pixels and some output channels.
///
/// Every item has four pixels of a row. What a step of input channels needs of `x`, one pixel more
/// on each side, lies in local memory and serves nine taps and all output channels of the group.
struct ConvolutionTile: Equatable {
  private let itemRows: Int
  private let rowItems: Int
  private let across: Int
  private let down: Int

  /// Output channels of an item and items along them, from the fewest instructions to the most
  /// groups.
  private static let rows = [(12, 2), (12, 1), (8, 1), (4, 1)]
  /// Items along rows of an image and down: 64 in all, which every device holds.
  private static let shapes = [(8, 8), (4, 16)]

  /// Numbers with which every kernel of the section compiles.
  static let defaults = ConvolutionTile(rows[0], shapes[0]).defines

  private init(_ rows: (Int, Int), _ shape: (Int, Int)) {
    (itemRows, rowItems) = rows
    (across, down) = shape
  }

  /// The tile for a result `y`: the first that keeps all compute units busy, or else the last that
  /// the device's groups hold.
  /// - Throws: `OpenCLError` when the kernel does not build.
  static func fitting(
    _ y: Shape, on backend: OpenCLBackend, defines: [String: Int]
  ) throws -> ConvolutionTile {
    // The rectangle of which the least hangs over the image.
    let shape =
      shapes.min {
        roundUp(y.w, 4 * $0.0) * roundUp(y.h, $0.1) < roundUp(y.w, 4 * $1.0) * roundUp(y.h, $1.1)
      } ?? shapes[0]
    let smallest = ConvolutionTile(rows[rows.count - 1], shape)
    // Channels that are not there would be computed for nothing.
    let all = y.c > smallest.channels ? rows.map { ConvolutionTile($0, shape) } : [smallest]
    let busy = all.filter { $0.groups(y) >= 2 * backend.traits.computeUnits }
    // Whether one is held is known when it is compiled: one after the other.
    return try (busy + all.reversed()).first { try $0.isHeld(by: backend, defines) } ?? smallest
  }

  private func isHeld(by backend: OpenCLBackend, _ others: [String: Int]) throws -> Bool {
    guard items <= backend.traits.maxGroupSize, localMemory <= backend.traits.localMemory else {
      return false
    }
    return try backend.largestGroup(
      Conv3x3.name, "conv3x3_tiles", defines: defines.merging(others) { $1 }) >= items
  }

  /// Bytes of the tiles of `x` and of the weights of a step of four input channels.
  private var localMemory: Int {
    16 * (4 * (down + 2) * (across + 2) + 36 * (channels / 4 + 1))
  }

  /// Output channels of a group.
  private var channels: Int { itemRows * rowItems }

  /// Work-items of a group.
  var items: Int { rowItems * across * down }

  /// The tunables of the kernel that this tile sets.
  var defines: [String: Int] {
    [
      "CONV_ITEM_ROWS": itemRows, "CONV_ROW_ITEMS": rowItems, "CONV_ACROSS": across,
      "CONV_DOWN": down, "CONV_WIDE": 0,
    ]
  }

  private func groups(_ y: Shape) -> Int { global(y).reduce(1, *) / items }

  /// Work-items that cover all outputs of `y`.
  func global(_ y: Shape) -> [Int] {
    [
      ceilingQuotient(y.w, 4 * across) * ceilingQuotient(y.h, down) * items,
      ceilingQuotient(y.c, channels), y.n,
    ]
  }
}
