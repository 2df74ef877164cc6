/// How a CPU-type device shares out the weight gradient: panels of input channels, strips of output
/// channels and bands of rows, whose sums are kept apart; a band is taken in patches that fit a
/// transposed panel.
struct PatchPanels {
  /// Pixels of a patch at most, margins included.
  static let area = 448
  /// The register block.
  let block: PanelBlock
  /// Output channels of a strip.
  let strip: Int
  /// Rows of a band.
  let bandRows: Int
  /// Bands of the image.
  let bands: Int
  /// Rows of a patch at most.
  let rows: Int
  /// Columns of a patch at most.
  let across: Int
  /// Elements from one row of the partial sums to the next.
  let pitch: Int
  /// Elements of all partial sums.
  let scratch: Int
  /// The work-items.
  let global: [Int]

  init(_ x: Shape, _ gy: Shape, _ configuration: KernelConfiguration) {
    block = PanelBlock(channels: x.c, configuration)
    pitch = block.panels * block.vectors * configuration.vectorWidth
    // With a margin of one on every side.
    across = min(x.w, 128)
    rows = min(x.h, max(1, Self.area / (across + 2) - 2))
    let wanted = ceilingQuotient(32, block.panels)
    strip = max(8 * block.rows, roundUp(ceilingQuotient(gy.c, wanted), block.rows))
    let strips = ceilingQuotient(gy.c, strip)
    bandRows = roundUp(ceilingQuotient(x.h, ceilingQuotient(wanted, strips)), rows)
    bands = ceilingQuotient(x.h, bandRows)
    scratch = bands * 9 * gy.c * pitch
    global = [block.panels, strips, bands]
  }
}
