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
    let tiles = PixelProducts(left, right, pixels: pixels, length: pixels)
    let wanted = Self.groupsPerUnit * traits.computeUnits
    let share = ceilingQuotient(wanted, tiles.rows * tiles.columns * copies)
    self.init(
      left, right, pixels: pixels,
      length: max(Self.shortest, roundUp(ceilingQuotient(pixels, share), 16)))
  }

  /// The shares with slices of `length` pixels.
  init(_ left: Int, _ right: Int, pixels: Int, length: Int) {
    // The tile that leaves the fewest over; of equals the largest, which reads the least.
    let side =
      stride(from: Self.largestSide, through: 2, by: -2).min {
        func covered(_ side: Int) -> Int {
          roundUp(left, Self.across * side) * roundUp(right, Self.across * side)
        }
        return covered($0) < covered($1)
      } ?? Self.largestSide
    (rows, columns) = (
      ceilingQuotient(left, Self.across * side), ceilingQuotient(right, Self.across * side)
    )
    (self.length, slices) = (length, ceilingQuotient(pixels, length))
    self.side = side
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
