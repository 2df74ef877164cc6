/// How a CPU-type device shares out a product over pixels,
/// `S[a, c] = sum_p left[a, p] right[c, p]`: in panels of right channels, strips of left channels
/// and slices of pixels, whose sums are kept apart.
///
/// A panel is transposed so that the channels of a pixel lie side by side: a load then gives a
/// vector of channels, each to be multiplied by one number of the other side.
struct ProductPanels {
  /// Whether the right side is `gy`, the fewer channels: they have to be transposed.
  let isTransposed: Bool
  /// The register block.
  let block: PanelBlock
  /// Panels that a work-item takes, one after the other.
  let panelsPerItem: Int
  /// Work-items along right channels.
  let columns: Int
  /// Left channels of a strip.
  let rows: Int
  /// Strips of left channels.
  let strips: Int
  /// Pixels of a slice.
  let length: Int
  /// Slices of each plane.
  let slices: Int
  /// Elements from one row of the partial sums to the next.
  let pitch: Int
  /// Elements of all partial sums.
  let scratch: Int

  /// Pixels of a transposed panel.
  static let panelPixels = 256

  /// The shares of `gy x^T`: 32 or more. A strip is so high that transposing its panels costs
  /// little beside the products. Where there are many pixels, one work-item takes all panels, so
  /// that the left side is fetched once.
  init(_ x: Shape, _ gy: Shape, _ configuration: KernelConfiguration) {
    isTransposed = gy.c < x.c
    let (left, right) = isTransposed ? (x.c, gy.c) : (gy.c, x.c)
    block = PanelBlock(channels: right, configuration)
    pitch = block.panels * block.vectors * configuration.vectorWidth
    let isLong = x.plane >= 4096
    panelsPerItem = isLong ? block.panels : 1
    columns = isLong ? 1 : block.panels
    let wanted = ceilingQuotient(32, columns)
    rows = max(16 * block.rows, roundUp(ceilingQuotient(left, wanted), block.rows))
    strips = ceilingQuotient(left, rows)
    length = max(
      512, roundUp(ceilingQuotient(x.plane, ceilingQuotient(wanted, strips)), Self.panelPixels))
    slices = ceilingQuotient(x.plane, length)
    scratch = slices * left * pitch
  }
}

/// The register block of products with a transposed panel.
struct PanelBlock {
  /// Vectors of channels of a panel.
  let vectors: Int
  /// Rows of the block.
  let rows: Int
  /// Panels that hold all channels.
  let panels: Int

  /// The block of which the fewest channels are left over.
  init(channels: Int, _ configuration: KernelConfiguration) {
    let needed = ceilingQuotient(channels, configuration.vectorWidth)
    let widest = configuration.blockVectors
    vectors = (1...widest).reversed().min { roundUp(needed, $0) < roundUp(needed, $1) } ?? 1
    // 24 of 32 registers hold sums; of 16 half as wide ones, 12.
    rows = min(12, 6 * widest / vectors)
    panels = ceilingQuotient(needed, vectors)
  }

  /// The tunables of the kernel.
  var defines: [String: Int] { ["PANEL_VECTORS": vectors, "PANEL_ROWS": rows] }
}
