/// The work-group of `conv1x1_tiles`: a grid of work-items, each with a small block of outputs.
struct ProductTile {
  private let itemRows: Int
  private let itemColumns: Int
  private let rowItems: Int
  private let columnItems: Int

  /// Tiles of 128 and of 64 work-items, for devices and drivers that give a group no more.
  private static let smaller = [
    ProductTile(itemRows: 6, itemColumns: 4, rowItems: 8, columnItems: 16),
    ProductTile(itemRows: 8, itemColumns: 8, rowItems: 8, columnItems: 8),
  ]

  /// The smallest tile: 64 work-items.
  static let smallest = smaller[1]

  /// The configured tile of a device, or the largest that its groups hold, of those from which `kernel` may choose; nil where
  /// products keep to registers: on CPUs, and where even the smallest group is too large.
  /// - Throws: `OpenCLError` when the kernel does not build.
  static func fitting(
    _ backend: OpenCLBackend, _ kernel: String = "conv1x1_tiles",
    where isFit: (ProductTile) -> Bool = { _ in true }
  ) throws -> ProductTile? {
    guard !backend.traits.isCPU else { return nil }
    let configuration = backend.configuration
    let configured = ProductTile(
      itemRows: configuration.tileItemRows, itemColumns: configuration.tileItemColumns,
      rowItems: configuration.tileRowItems, columnItems: configuration.tileColumnItems)
    return try ([configured] + smaller).filter(isFit).first { tile in
      try tile.items <= backend.traits.maxGroupSize
        && tile.items <= backend.largestGroup(Conv1x1.name, kernel, defines: tile.defines)
    }
  }

  /// Whether an item loads the channels of one column only, so that it can add them up.
  var loadsColumns: Bool { items % (itemColumns * columnItems) == 0 }

  /// Work-items of a group.
  var items: Int { rowItems * columnItems }

  /// The tunables of the kernel that this tile sets.
  var defines: [String: Int] {
    [
      "TILE_ITEM_ROWS": itemRows, "TILE_ITEM_COLUMNS": itemColumns, "TILE_ROW_ITEMS": rowItems,
      "TILE_COLUMN_ITEMS": columnItems,
    ]
  }

  /// Work-items that cover `pixels` by `channels` outputs of `images` images.
  func global(pixels: Int, channels: Int, images: Int) -> [Int] {
    let (columns, rows) = (itemColumns * columnItems, itemRows * rowItems)
    return [(pixels + columns - 1) / columns * items, (channels + rows - 1) / rows, images]
  }
}
