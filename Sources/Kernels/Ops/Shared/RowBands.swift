/// An image cut into bands of rows that a chain of row-local operators with one 3x3 convolution passes through, one
/// after the other.
///
/// What the convolution reads is kept in a ring of rows: row `i` in slot `i mod slots`. After the band with rows
/// `a..<b` has arrived, the convolution's rows up to `b - 2` can be computed, and after the last band all of them.
struct RowBands {
  /// Rows of the ring.
  let slots: Int
  /// The most rows that arrive at once.
  let rows: Int
  /// The bands.
  let bands: [Band]

  /// One band.
  struct Band {
    /// The rows that arrive.
    let rows: Range<Int>
    /// Where they lie in the ring.
    let slots: Range<Int>
    /// The rows whose neighbours have then all arrived.
    let ready: Range<Int>
  }

  /// Bands of about `pixels` pixels of an image of `height` rows of `width`.
  init(height: Int, width: Int, pixels: Int) {
    let size = min(height, max(1, pixels / width))
    rows = size
    // The convolution still reads the last two rows of the band before; a band never wraps around.
    let ring = size >= height ? height : max(2 * size, roundUp(size + 2, size))
    slots = ring
    bands = stride(from: 0, to: height, by: size).map { first in
      let end = min(height, first + size)
      return Band(
        rows: first..<end, slots: first % ring..<first % ring + end - first,
        ready: max(0, first - 1)..<(end == height ? height : end - 1))
    }.filter { !$0.rows.isEmpty }
  }

  /// The most rows that become ready at once.
  var readyRows: Int { bands.map(\.ready.count).max() ?? 0 }
}
