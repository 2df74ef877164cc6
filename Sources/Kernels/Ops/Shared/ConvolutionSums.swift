/// How a GPU shares out the weight gradient of a 3x3 convolution: a work-group sums the taps of
/// some input and output channels over one slice of the pixels, a band of rows of some columns.
package struct ConvolutionSums {
  private let outItems: Int
  private let inItems: Int
  private let shape: Shape
  private let outputs: Int
  /// Columns and rows of a slice.
  private let columns: Int
  private let rows: Int
  /// Slices of each plane, whose sums are kept apart and added up in order.
  package let slices: Int

  /// Items of a group along output channels, four each, and along input channels: 64 in all, which
  /// every device holds.
  private static let groups = [(8, 8), (16, 4), (4, 16), (2, 32)]
  /// The columns through which a group goes at a time, and the fewest rows worth it: two more are
  /// read.
  private static let (strip, fewestRows) = (16, 4)

  /// Numbers with which every kernel of the section compiles.
  static let defaults = ["GRADIENT_OUT_ITEMS": groups[0].0, "GRADIENT_IN_ITEMS": groups[0].1]

  /// The shares for `x` and a convolution's `outputs` channels: slices for as many groups as the
  /// device's compute units want.
  package init(_ x: Shape, outputs: Int, on traits: DeviceTraits) {
    // The group of which the fewest sums are of channels that are not there.
    func covered(_ group: (Int, Int)) -> Int {
      roundUp(outputs, 4 * group.0) * roundUp(x.c, group.1)
    }
    (outItems, inItems) = Self.groups.min { covered($0) < covered($1) } ?? Self.groups[0]
    (shape, self.outputs) = (x, outputs)
    let tiles = ceilingQuotient(outputs, 4 * outItems) * ceilingQuotient(x.c, inItems)
    let wanted = ceilingQuotient(4 * traits.computeUnits, tiles)
    // Strips go apart at no cost, bands of rows read their neighbours.
    columns = roundUp(ceilingQuotient(x.w, wanted), Self.strip)
    let across = ceilingQuotient(x.w, columns)
    let bands = ceilingQuotient(wanted, across)
    rows = min(x.h, max(Self.fewestRows, ceilingQuotient(x.h, bands)))
    slices = across * ceilingQuotient(x.h, rows)
  }

  /// Elements of all partial sums.
  var scratch: Int { slices * 9 * outputs * shape.c }

  /// `height, width, in_channels, out_channels, images, band_rows, band_columns` of the kernel.
  var arguments: [KernelArgument] {
    [
      .int(shape.h), .int(shape.w), .int(shape.c), .int(outputs), .int(shape.n), .int(rows),
      .int(columns),
    ]
  }

  /// Work-groups of each slice.
  package var tiles: Int {
    ceilingQuotient(shape.c, inItems) * ceilingQuotient(outputs, 4 * outItems)
  }

  var global: [Int] {
    [
      ceilingQuotient(shape.c, inItems) * local[0], ceilingQuotient(outputs, 4 * outItems), slices,
    ]
  }

  var local: [Int] { [outItems * inItems, 1, 1] }

  /// The tunables of the kernel.
  var defines: [String: Int] { ["GRADIENT_OUT_ITEMS": outItems, "GRADIENT_IN_ITEMS": inItems] }
}
