/// A number of the kernels that may be chosen per operator and rectangle.
package enum Tunable: String, CaseIterable, Sendable {
  case vectorWidth
  case blockRows
  case blockVectors
  case tileItemRows
  case tileItemColumns
  case tileRowItems
  case tileColumnItems
  case bandElements

  /// Where the number stands in a configuration.
  var path: WritableKeyPath<KernelConfiguration, Int> {
    switch self {
    case .vectorWidth: \.vectorWidth
    case .blockRows: \.blockRows
    case .blockVectors: \.blockVectors
    case .tileItemRows: \.tileItemRows
    case .tileItemColumns: \.tileItemColumns
    case .tileRowItems: \.tileRowItems
    case .tileColumnItems: \.tileColumnItems
    case .bandElements: \.bandElements
    }
  }
}

/// Chosen numbers; those that are missing keep the device's defaults.
package typealias TunedSettings = [Tunable: Int]

extension KernelConfiguration {
  /// Whether `settings` are its own numbers.
  package func has(_ settings: TunedSettings) -> Bool { with(settings) == self }

  /// The configuration with `settings` over its own numbers.
  func with(_ settings: TunedSettings) -> KernelConfiguration {
    var result = self
    for (tunable, value) in settings { result[keyPath: tunable.path] = value }
    return result
  }
}

/// What the tuner tries for an operator.
///
/// Every choice for an operator that a training step runs leaves each sum in its order: it changes
/// time and not a bit of a result, so that a run goes on bit for bit where a device was tuned in
/// between. The height of bands, which only restoring has, moves sums over pixels within rounding.
package enum TuningSpace: Sendable {
  /// Nothing.
  case none
  /// The register block of a matrix product on a CPU.
  case registerBlock
  /// The same, and on a GPU the tile of a work-group.
  case product
  /// The height of a composite's bands of rows.
  case bands

  /// Everything to try on a device.
  public func candidates(for traits: DeviceTraits) -> [TunedSettings] {
    switch self {
    case .none: []
    case .registerBlock: traits.isCPU ? Self.registerBlocks : []
    case .product: traits.isCPU ? Self.registerBlocks : Self.tiles
    case .bands: (traits.isCPU ? 18...22 : 22...25).map { [.bandElements: 1 << $0] }
    }
  }

  /// Blocks of at most 28 vectors of registers, 64 columns wide at most: what lies behind a plane
  /// may be read that far.
  private static let registerBlocks: [TunedSettings] = [(16, 1...4), (8, 1...4)].flatMap {
    width, vectors in
    [4, 6, 8, 12].flatMap { rows in
      vectors.filter { rows * $0 <= 28 }.map {
        [.vectorWidth: width, .blockRows: rows, .blockVectors: $0]
      }
    }
  }

  /// Outputs of an item (rows, columns) and items of a group (rows, columns): at most 256 items,
  /// which every GPU takes.
  private static let tiles: [TunedSettings] = [
    (6, 4, 8, 32), (6, 4, 8, 16), (4, 4, 8, 32), (4, 4, 16, 16), (8, 4, 8, 16), (8, 4, 8, 32),
    (8, 8, 8, 8), (8, 8, 8, 16), (6, 8, 8, 16), (12, 4, 4, 32),
  ].map {
    [
      .tileItemRows: $0.0, .tileItemColumns: $0.1, .tileRowItems: $0.2, .tileColumnItems: $0.3,
    ]
  }
}
