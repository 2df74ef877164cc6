/// How a CPU shares out a product over pixels: in slices of pixels, whose sums are kept apart, and
/// strips of rows of the result.
struct ProductSlices {
  /// Slices of each plane.
  let count: Int
  /// Pixels of a slice.
  let length: Int
  /// Strips of the result's rows.
  let strips: Int
  /// Rows of a strip: enough of them make it cheap to transpose the other factor for each.
  let rows = 64

  /// The shares of `sum_p gy[o, p] x[i, p]`: about 32 in all, strips rather than slices, whose sums
  /// must be added up.
  init(_ x: Shape, _ gy: Shape) {
    strips = ceilingQuotient(gy.c, rows)
    let copies = min(16, ceilingQuotient(32, strips))
    length = max(256, roundUp(ceilingQuotient(x.plane, copies), 16))
    count = ceilingQuotient(x.plane, length)
  }
}

/// Slices of a plane whose sums are kept apart: enough for many cores, few enough to add up
/// quickly.
func sliceCount(_ pixels: Int) -> Int {
  let length = sliceLength(pixels)
  return (pixels + length - 1) / length
}

/// Pixels of one slice.
func sliceLength(_ pixels: Int) -> Int { max(64, roundUp((pixels + 15) / 16, 16)) }

/// Pixels taken at a time so that a run of all channels stays in the second-level cache.
func runLength(_ channels: Int) -> Int { max(32, min(1024, 65536 / channels / 16 * 16)) }

/// Adds the partial sums of all slices in order.
func sumSlices(
  _ partial: UnsafeMutablePointer<Float>, slices: Int, count: Int,
  into total: UnsafeMutablePointer<Float>
) {
  parallelRanges(count, grain: 4096) { range in
    for index in range {
      var sum: Float = 0
      for s in 0..<slices { sum += partial[s * count + index] }
      total[index] = sum
    }
  }
}
