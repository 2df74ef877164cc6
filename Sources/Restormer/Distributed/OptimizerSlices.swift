/// Parameters shared out over ranks in slices of equal length, each of which keeps the optimizer's
/// moments of its own: stage 1 of ZeRO (Rajbhandari et al. 2020).
struct OptimizerSlices {
  /// Parameters.
  let extent: Int
  /// Slices.
  let count: Int

  /// Numbers of a slice; the last ones may have fewer parameters, or none.
  var length: Int {
    guard count > 1 else { return extent }
    // Blocks that begin at such a multiple suit every device.
    return ((extent + count - 1) / count + 63) / 64 * 64
  }

  /// The parameters of a rank's slice.
  subscript(rank: Int) -> Range<Int> {
    guard count > 1 else { return 0..<extent }
    return min(extent, rank * length)..<min(extent, (rank + 1) * length)
  }
}
