/// The work-group of `conv1x1_tiles`: a grid of work-items, each with a small block of outputs.
struct ProductTile {
  private let itemRows: Int
  private let itemColumns: Int
  private let rowItems: Int
  private let columnItems: Int

  /// The tile, or nil where products keep to registers: on CPUs, and on devices with smaller work-groups.
  init?(_ configuration: KernelConfiguration) {
    itemRows = configuration.tileItemRows
    itemColumns = configuration.tileItemColumns
    rowItems = configuration.tileRowItems
    columnItems = configuration.tileColumnItems
    guard !configuration.traits.isCPU, configuration.traits.maxGroupSize >= items
    else { return nil }
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
