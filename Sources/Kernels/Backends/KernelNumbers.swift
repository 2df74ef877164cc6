/// The numbers on which kernels and the code that launches them must agree. Each has its one home
/// in Swift and reaches the compiler as `-D NAME=VALUE`: `kernels.cl` names them, says what they
/// mean and does not compile without them.
package enum KernelNumbers {
  /// The numbers of one section, by name. Those that a launch fits to its shapes stand here with
  /// the defaults for the device.
  package static func all(
    of section: String, _ configuration: KernelConfiguration
  ) -> [String: String] {
    let own = ofSection[section]?(configuration) ?? [:]
    return common(configuration).merging(matrixNumbers(section, configuration)) { $1 }
      .merging(own) { $1 }.mapValues(\.description)
      .merging(takesNormFloor(section) ? ["NORM_FLOOR": "\(attentionNormFloor)f"] : [:]) { $1 }
  }

  private static func takesNormFloor(_ section: String) -> Bool {
    [ChannelAttention.section, LocalAttention.section].contains(section)
  }

  /// Sections without products are the same programs whoever multiplies elsewhere.
  private static func matrixNumbers(
    _ section: String, _ configuration: KernelConfiguration
  ) -> [String: Int] {
    let multiplies = [Conv1x1.section, ChannelAttention.section].contains(section)
    return [
      "MATRIX_UNIT": (multiplies ? configuration.matrixUnit : .none).rawValue,
      "MATRIX_FACTORS": multiplies ? configuration.matrixFactors : 2,
    ]
  }

  /// Those that every section is compiled with, because the helpers of the section `Common` use
  /// them.
  private static func common(_ configuration: KernelConfiguration) -> [String: Int] {
    [
      "GROUP_SIZE": configuration.groupSize, "VEC": configuration.elementWidth,
      "VECTOR_WIDTH": configuration.vectorWidth, "BLOCK_ROWS": configuration.blockRows,
      "BLOCK_VECTORS": configuration.blockVectors, "PANEL_VECTORS": 4, "PANEL_ROWS": 6,
      "PANEL_PIXELS": ProductPanels.panelPixels, "NT_SIDE": PixelProducts.largestSide,
      "NT_ACROSS": PixelProducts.across, "ALIGNED": 0,
    ]
  }

  /// Those of one section. Whoever launches a kernel may pass others, such as a tile that fits.
  private static let ofSection: [String: @Sendable (KernelConfiguration) -> [String: Int]] = [
    "Ceilings": { _ in ["CEILING_SUMS": OpenCLBackend.ceilingSums] },
    DepthwiseConv.section: { _ in DepthwiseTiles.defines },
    PixelLoss.section: { _ in PixelLoss.Kind.defines },
    SliceSums.section: { _ in ["SLICE_SUMS": SliceSums.limit] },
    Conv1x1.section: { ProductTile($0).defines },
    Conv3x3.section: { _ in
      ["PATCH_AREA": PatchPanels.area].merging(ConvolutionTile.defaults) { $1 }
        .merging(ConvolutionSums.defaults) { $1 }
    },
    LayerNorm.section: {
      NormGroups.defaults.merging(["NORM_VECTORS": LayerNorm.vectors($0)]) { $1 }
    },
    LocalAttention.section: { _ in ["LOCAL_TILE": LocalWindows.tile] },
    ChannelAttention.section: { _ in
      HeadTiles.defines.merging(["SUMS_UNIT": HeadProducts.unit]) { $1 }
    },
  ]
}
