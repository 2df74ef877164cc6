/// How a GPU shares out a product over pixels, `S[o, i] = sum_p gy[o, p] x[i, p]`: a work-group for
/// each square of S and slice of pixels, whose sums are kept apart.
///
/// A weight of 48 by 144 has but three squares: without slices three groups of a GPU would work.
struct SquareTiles {
  /// Pixels of a slice.
  let length: Int
  /// Slices of each plane: with few channels there are more of them, so that about a thousand
  /// groups are busy.
  let slices: Int
  /// The work-items.
  let global: [Int]

  /// Rows and columns of S that a work-item sums, work-items of a group along each, and pixels in
  /// local memory at a time.
  private static let (side, items, depth) = (6, 8, 32)

  /// Work-items of a group.
  static let group = items * items

  /// The numbers of the kernel.
  static let defines = ["SQUARE_SIDE": side, "SQUARE_ITEMS": items, "SQUARE_DEPTH": depth]

  /// The shares of `gy x^T`.
  init(_ x: Shape, _ gy: Shape) {
    func squares(_ channels: Int) -> Int { ceilingQuotient(channels, Self.items * Self.side) }
    let wanted = max(1, 1024 / (squares(x.c) * squares(gy.c)))
    length = max(512, roundUp(ceilingQuotient(x.plane, wanted), Self.depth))
    slices = ceilingQuotient(x.plane, length)
    global = [Self.group * squares(x.c), squares(gy.c), slices]
  }
}
