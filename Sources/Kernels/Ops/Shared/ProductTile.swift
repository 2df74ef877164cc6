/// The work-group of `conv1x1_tiles`: a grid of work-items, each with a small block of outputs.
///
/// A tile serves a step of `TILE_DEPTH` input channels. Items that lie side by side read
/// neighbouring vectors of `x` and the same weights, which local memory hands to all of them at
/// once; the tile of the next step is on its way while this one is multiplied.
struct ProductTile: Equatable {
  private let itemRows: Int
  private let itemColumns: Int
  private let rowItems: Int
  private let columnItems: Int

  /// Smaller tiles, for products of few outputs and for devices whose groups hold fewer items.
  private static let smaller = [
    ProductTile(itemRows: 6, itemColumns: 4, rowItems: 8, columnItems: 32),
    ProductTile(itemRows: 6, itemColumns: 4, rowItems: 8, columnItems: 16),
    ProductTile(itemRows: 8, itemColumns: 4, rowItems: 4, columnItems: 16),
  ]

  /// The same for matrix units, whose 32 items have 8 rows and at least 32 columns at a time. They
  /// take more registers, so that the largest group is smaller.
  private static let forUnits = [
    ProductTile(itemRows: 6, itemColumns: 8, rowItems: 8, columnItems: 16),
    ProductTile(itemRows: 4, itemColumns: 8, rowItems: 8, columnItems: 16),
    ProductTile(itemRows: 4, itemColumns: 8, rowItems: 8, columnItems: 8),
  ]

  /// The smallest tile of a device: 64 work-items.
  static func smallest(on backend: OpenCLBackend) -> ProductTile {
    let all = smaller(on: backend)
    return all[all.count - 1]
  }

  private static func smaller(on backend: OpenCLBackend) -> [ProductTile] {
    backend.configuration.matrixUnit == .none ? smaller : forUnits
  }

  /// The tile for a product that gives `y` on a device, of those from which `kernel` may choose:
  /// what was chosen for it, or else the first that keeps all compute units busy, or else the last
  /// that the device's groups hold. Nil where products keep to registers: on CPUs, and where even
  /// the smallest group is too large.
  /// - Throws: `OpenCLError` when the kernel does not build.
  static func fitting(
    _ y: Shape, on backend: OpenCLBackend, _ kernel: String = "conv1x1_tiles",
    defines: [String: Int] = [:],
    where isFit: (ProductTile) -> Bool = { _ in true }
  ) throws -> ProductTile? {
    guard !backend.traits.isCPU else { return nil }
    let configured = ProductTile(backend.configuration)
    let isTuned = configured != ProductTile(KernelConfiguration(for: backend.traits))
    let hasUnit = backend.configuration.matrixUnit != .none
    let all = ((hasUnit && !isTuned ? [] : [configured]) + smaller(on: backend))
      .filter { isFit($0) && (!hasUnit || $0.suitsMatrixUnits) }
    let busy = all.filter { isTuned || $0.groups(y) >= 2 * backend.traits.computeUnits }
    // Whether one is held is known when it is compiled: one after the other.
    return try (busy + all.reversed()).first { try $0.isHeld(by: backend, kernel, defines) }
  }

  /// The tile of a configuration.
  init(_ configuration: KernelConfiguration) {
    self.init(
      itemRows: configuration.tileItemRows, itemColumns: configuration.tileItemColumns,
      rowItems: configuration.tileRowItems, columnItems: configuration.tileColumnItems)
  }

  private init(itemRows: Int, itemColumns: Int, rowItems: Int, columnItems: Int) {
    (self.itemRows, self.itemColumns) = (itemRows, itemColumns)
    (self.rowItems, self.columnItems) = (rowItems, columnItems)
  }

  /// Whether the device has the local memory and the work-items of a group, as its driver says of
  /// the compiled kernel.
  private func isHeld(
    by backend: OpenCLBackend, _ kernel: String, _ others: [String: Int]
  ) throws -> Bool {
    // Both halves of the tiles of x and W, and what a norm keeps of each pixel and channel.
    let (columns, rows) = (itemColumns * columnItems, itemRows * rowItems)
    let local = 2 * 4 * Self.depth * (columns + rows + 16) + 4 * columns + 8 * rows
    guard items <= backend.traits.maxGroupSize, local <= backend.traits.localMemory else {
      return false
    }
    let defines = defines.merging(others) { $1 }
    return try backend.largestGroup(Conv1x1.name, kernel, defines: defines) >= items
  }

  /// Input channels of a step.
  private static let depth = 8

  /// Whether vectors of four neighbours in `tensors` lie at multiples of four elements.
  static func isAligned(_ tensors: [DeviceTensor]) -> Bool {
    tensors.allSatisfy { ($0.offset | $0.planeStride | $0.batchStride) % 4 == 0 }
  }

  /// Whether moreover the rows of images start and end there.
  static func hasAlignedRows(_ tensors: [DeviceTensor]) -> Bool {
    isAligned(tensors) && tensors.allSatisfy { $0.shape.w % 4 == 0 }
  }

  /// Whether a matrix with rows of `columns` elements, and vectors beside it, can be read by fours.
  static func isWide(_ columns: Int, _ tensors: DeviceTensor...) -> Bool {
    columns % 4 == 0 && tensors.allSatisfy { $0.offset % 4 == 0 }
  }

  /// Whether an item loads the channels of one column only, so that it can add them up.
  var loadsColumns: Bool { items % (itemColumns * columnItems) == 0 }

  /// Whether whole warps share it out in the unit's blocks of 16 rows and 32 columns.
  private var suitsMatrixUnits: Bool {
    itemRows % 2 == 0 && itemColumns % 8 == 0 && rowItems % 8 == 0 && columnItems % 4 == 0
  }

  /// Work-items of a group.
  var items: Int { rowItems * columnItems }

  /// The tunables of the kernel that this tile sets.
  var defines: [String: Int] {
    [
      "TILE_ITEM_ROWS": itemRows, "TILE_ITEM_COLUMNS": itemColumns, "TILE_ROW_ITEMS": rowItems,
      "TILE_COLUMN_ITEMS": columnItems, "TILE_DEPTH": Self.depth, "TILE_WIDE": 0,
    ]
  }

  /// Work-groups for the result `y`: too few leave compute units idle.
  private func groups(_ y: Shape) -> Int {
    global(y).reduce(1, *) / items
  }

  /// Work-items that cover all outputs of `y`.
  func global(_ y: Shape) -> [Int] {
    [
      ceilingQuotient(y.plane, itemColumns * columnItems) * items,
      ceilingQuotient(y.c, itemRows * rowItems), y.n,
    ]
  }
}
