/// How a GPU shares out sums over pixels of products of rows,
/// `S[a, c] = sum_p left[a, p] right[c, p]`: weight gradients of 1x1 convolutions and the Gram sums
/// of attention.
///
/// A work-group sums one square tile of S over one slice of the pixels. A weight of 48 by 144 has
/// but three tiles: without slices three groups of a GPU would work.
package struct PixelProducts: Equatable {
  /// Tiles along the rows and along the columns of S.
  package let rows: Int
  package let columns: Int
  /// Pixels of a slice.
  package let length: Int
  /// Slices of each plane, whose sums are kept apart and added up in order.
  package let slices: Int
  private let side: Int

  /// Work-items of a group along either side of its tile, and in all: no device has smaller groups.
  static let across = 8
  static let group = across * across

  /// The most rows and columns of S that an item sums.
  static let largestSide = 6

  /// Groups for each compute unit: enough to cover each other's waiting.
  private static let groupsPerUnit = 4

  /// The fewest pixels that make a slice worth its sums.
  package static let shortest = 64

  /// The shares on a device: slices for as many groups as its compute units want.
  /// - Parameters:
  ///   - left: rows of S.
  ///   - right: columns of S.
  ///   - pixels: pixels of a plane.
  ///   - copies: how many such S there are at once.
  ///   - traits: the device.
  package init(_ left: Int, _ right: Int, pixels: Int, copies: Int = 1, on traits: DeviceTraits) {
    let most = ceilingQuotient(pixels, Self.shortest)
    let tiles = PixelProducts(
      left, right, pixels: pixels, length: Self.shortest, copies: copies, on: traits)
    let wanted = Self.groupsPerUnit * traits.computeUnits
    let share = min(most, ceilingQuotient(wanted, tiles.rows * tiles.columns * copies))
    self.init(
      left, right, pixels: pixels,
      length: max(Self.shortest, roundUp(ceilingQuotient(pixels, share), 16)), side: tiles.side)
  }

  /// The shares with slices of `length` pixels: where there are too few for the device, smaller
  /// tiles make up for them.
  init(
    _ left: Int, _ right: Int, pixels: Int, length: Int, copies: Int = 1, on traits: DeviceTraits
  ) {
    let sides = stride(from: Self.largestSide, through: 2, by: -2)
    let choices = sides.map {
      PixelProducts(left, right, pixels: pixels, length: length, side: $0)
    }.sorted { $0.instructions < $1.instructions }
    let enough = choices.first {
      $0.rows * $0.columns * $0.slices * copies >= 2 * traits.computeUnits
    }
    self = enough ?? choices.max { $0.rows * $0.columns < $1.rows * $1.columns } ?? choices[0]
  }

  private init(_ left: Int, _ right: Int, pixels: Int, length: Int, side: Int) {
    (rows, columns) = (
      ceilingQuotient(left, Self.across * side), ceilingQuotient(right, Self.across * side)
    )
    (self.length, slices) = (length, ceilingQuotient(pixels, length))
    self.side = side
  }

  /// What the tiles take, what hangs over included: the larger the square of an item, the fewer
  /// instructions beside its multiply-adds (counted in what a compiler makes of the kernel).
  private var instructions: Double {
    let perProduct = side >= 6 ? 1.34 : side >= 4 ? 1.54 : 2.45
    return perProduct * Double(rows * columns * side * side)
  }

  /// The most slices of one head that keep a device busy.
  static func mostSlices(on traits: DeviceTraits) -> Int {
    traits.isCPU ? 64 : max(64, groupsPerUnit * traits.computeUnits)
  }

  /// The numbers of the kernels: whether rows may be read by fours depends on where `tensors` lie.
  func defines(reading tensors: [DeviceTensor]) -> [String: Int] {
    ["NT_SIDE": side, "ALIGNED": ProductTile.isAligned(tensors) && length % 4 == 0 ? 1 : 0]
  }
}
