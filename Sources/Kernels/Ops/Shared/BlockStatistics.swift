/// What the attention half of a block in bands takes its matrix from: the sums over the pixels of
/// the image, or those over the cells of windows.
///
/// The projection behind attention is multiplied into the matrix, so that one product of v and the
/// residual remain; but where windows have more cells than that pays for, it stays a product of its
/// own.
struct BlockStatistics {
  private let c: Int
  private let heads: Int
  private let slices: Int
  private let pixels: Int
  private let windows: LocalWindows?
  private let groups: Int?

  /// Statistics of an image `x` whose bands have `bandPixels` pixels, which are summed in at most
  /// `mostSlices` slices of all heads; or bands in `groups` groups whose sums are kept apart.
  init(
    _ x: Shape, heads: Int, window: Shape?, bandPixels: Int, mostSlices: Int, groups: Int?
  ) {
    (c, self.heads, pixels, self.groups) = (x.c, heads, bandPixels, groups)
    guard groups == nil else {
      (slices, windows) = (1, nil)
      return
    }
    let wanted = min(mostSlices, bandPixels / 512) / heads
    guard let window else {
      (slices, windows) = (max(1, wanted), nil)
      return
    }
    // A band has pixels of a row of cells at least, of which each is a share of the work already.
    let cells = LocalWindows(x, heads: heads, window: window).columns.cells
    slices = max(1, wanted / cells)
    windows = LocalWindows(x, heads: heads, window: window, slices: slices)
  }

  /// Whether v has to be multiplied but once.
  var isOneProduct: Bool { windows?.foldsProjection ?? true }

  /// The shape of the sums, those of each group in a row of their own.
  var sums: Shape {
    let products = HeadProducts(
      m: c / heads, heads: heads, images: 1, pixels: pixels, slices: slices)
    return Shape(1, 1, groups ?? 1, windows?.sumCount ?? products.scratch)
  }

  /// The shape of the matrix, or of those of all cells.
  var matrix: Shape {
    windows.map { Shape(1, 1, 1, $0.matrixCount(folded: isOneProduct)) } ?? Shape(c, c, 1, 1)
  }

  /// Adds the sums of `rows`, the next ones of a group, whose q and k are `qk`.
  func add(
    _ qk: Piece, rows: Range<Int>, to sums: Piece, group: Int, isFirst: Bool
  ) -> CompositeStep {
    let sums = sums.rows(group..<group + 1)
    let inputs = isFirst ? [qk] : [qk, sums]
    guard let windows else {
      return CompositeStep(AttentionGram(heads: heads, slices: slices), inputs, into: sums)
    }
    return CompositeStep(LocalGram(windows, rows: rows), inputs, into: sums)
  }

  /// The matrix from the sums of all rows.
  func matrix(
    of sums: Piece, temperature: Piece, projection: Piece, into matrix: Piece
  ) -> [CompositeStep] {
    let total = sums.rows(0..<1)
    guard let windows else {
      let shape = Shape(1, 1, 1, self.sums.w)
      let hasGroups = (groups ?? 1) > 1
      return (hasGroups ? [CompositeStep(SliceSums([shape]), [sums], into: total)] : []) + [
        CompositeStep(
          AttentionMatrix(heads: heads, slices: slices), [total, temperature, projection],
          into: matrix)
      ]
    }
    return [
      CompositeStep(
        LocalMatrix(windows, folds: isOneProduct),
        [sums, temperature] + (isOneProduct ? [projection] : []), into: matrix)
    ]
  }

  /// Attention, projection and residual of `rows` of the image.
  /// - Parameters:
  ///   - matrix: what `matrix(of:)` gave.
  ///   - value: v of the rows.
  ///   - rows: the rows.
  ///   - projection: its weight and perhaps bias.
  ///   - residual: what is added.
  ///   - between: memory for a band of `c` channels, which a second product needs.
  ///   - target: where the result goes.
  func apply(
    _ matrix: Piece, to value: Piece, rows: Range<Int>, projection: [Piece], residual: Piece,
    between: Piece, into target: Piece
  ) -> [CompositeStep] {
    let bias = projection.count == 2
    let product = Conv1x1(bias: bias, residual: true)
    let others = Array(projection.dropFirst()) + [residual]
    guard let windows else {
      return [CompositeStep(product, [value, matrix] + others, into: target)]
    }
    guard !isOneProduct else {
      let op = LocalProduct(windows, rows: rows, folded: true, bias: bias, residual: true)
      return [CompositeStep(op, [value, matrix] + others, into: target)]
    }
    // Both products of a band follow each other, so that what lies between them stays in cache.
    let attended = between.channels(0..<c).rows(0..<rows.count)
    return [
      CompositeStep(
        LocalProduct(windows, rows: rows, folded: false), [value, matrix], into: attended),
      CompositeStep(product, [attended, projection[0]] + others, into: target),
    ]
  }
}
