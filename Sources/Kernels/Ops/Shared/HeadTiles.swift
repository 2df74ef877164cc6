/// The work-group of a GPU's kernels that multiply a head's matrix with pixels: a grid of
/// work-items, each with a few rows and four pixels in registers.
///
/// It has as many rows as a head of the paper's network has channels, so that each pixel is read
/// once, and as few items as the smallest device allows.
enum HeadTiles {
  private static let (itemRows, rowItems, columnItems) = (12, 4, 16)

  /// The work-items of a group.
  static let local = [rowItems * columnItems, 1, 1]

  /// The numbers of the kernels.
  static let defines = [
    "HEAD_ITEM_ROWS": itemRows, "HEAD_ROW_ITEMS": rowItems, "HEAD_COLUMN_ITEMS": columnItems,
  ]

  /// The same, and whether pixels may be read by fours where `tensors` lie.
  static func defines(reading tensors: [DeviceTensor]) -> [String: Int] {
    ["ALIGNED": ProductTile.isAligned(tensors) ? 1 : 0]
  }

  /// Work-items for `parts` products of `heads` heads of `m` channels with the pixels of `shape`.
  static func global(_ shape: Shape, heads: Int, m: Int, parts: Int) -> [Int] {
    [
      ceilingQuotient(shape.plane, 4 * columnItems) * local[0],
      parts * heads * ceilingQuotient(m, itemRows * rowItems), shape.n,
    ]
  }
}
