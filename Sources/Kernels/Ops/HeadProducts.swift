import CLBackend
import CMicroKernels

/// Products over pixels between the channels of a head, shared by channel attention and its gradient.

/// Elements of the partial sums of `m x m` products per image and head.
func gramScratch(_ qkv: Shape, heads: Int) -> Int {
  let m = qkv.c / 3 / heads
  return qkv.n * heads * sliceCount(qkv.plane) * m * m
}

/// `out[n, head, i, j] = sum_p left[n, left part + head, i, p] right[n, right part + head, j, p]`; parts are counted in
/// heads of `m` channels.
func headProducts(
  _ left: CPUTensor, _ leftPart: Int, _ right: CPUTensor, _ rightPart: Int, heads: Int, m: Int,
  into out: CPUTensor, partial: UnsafeMutablePointer<Float>
) {
  let pixels = left.shape.plane
  let (slices, slice, run) = (sliceCount(pixels), sliceLength(pixels), runLength(2 * m))
  parallelFor(left.shape.n * heads * slices) { index in
    let (n, head, s) = (index / slices / heads, index / slices % heads, index % slices)
    let sum = partial + index * m * m
    sum.update(repeating: 0, count: m * m)
    let end = min((s + 1) * slice, pixels)
    for begin in stride(from: s * slice, to: end, by: run) {
      restormer_outer(
        left.plane(n, (leftPart + head) * m) + begin, left.planeStride,
        right.plane(n, (rightPart + head) * m) + begin, right.planeStride, sum, m,
        Int32(min(run, end - begin)), Int32(m), Int32(m))
    }
  }
  for n in 0..<left.shape.n {
    for head in 0..<heads {
      sumSlices(
        partial + (n * heads + head) * slices * m * m, slices: slices, count: m * m,
        into: out.plane(n, head))
    }
  }
}

/// `sum a_i b_i` in runs of 4096, sixteen lanes each: the error stays near one rounding.
func blockedDot(
  _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ count: Int
) -> Float {
  var total: Float = 0
  for begin in stride(from: 0, to: count, by: 4096) {
    let end = min(begin + 4096, count)
    var lanes = Lanes.zero
    var index = begin
    while index + 16 <= end {
      lanes += a.lanes(index) * b.lanes(index)
      index += 16
    }
    var run = lanes.sum()
    while index < end {
      run += a[index] * b[index]
      index += 1
    }
    total += run
  }
  return total
}

extension OpenCLBackend {
  /// Partial sums of the products between the channels of each head; parts are thirds of a `qkv` tensor.
  func headProducts(
    _ left: DeviceTensor, _ leftPart: Int, _ right: DeviceTensor, _ rightPart: Int, heads: Int,
    m: Int, partial: DeviceTensor
  ) throws -> Launch {
    let pixels = left.shape.plane
    let slices = sliceCount(pixels)
    // On a GPU every block of rows is a work-item of its own; a CPU keeps a run of all rows in cache.
    let rows = configuration.isCPUFamily ? m : 4
    return try launch(
      ChannelAttention.name, "attention_gram",
      [
        .tensor(left), .tensor(right), .region(partial), .int(pixels), .int(m), .int(heads),
        .int(leftPart), .int(rightPart), .int(sliceLength(pixels)), .int(runLength(2 * m)),
        .int(rows),
      ],
      global: [slices, (m + rows - 1) / rows, left.shape.n * heads], local: [1, 1, 1],
      defines: ["OUTER_ROWS": outerRows],
      flops: 2 * Double(left.shape.n * heads * m * m) * Double(pixels),
      bytes: 8 * Double(left.shape.n * heads * m * pixels))
  }

  /// Rows and columns of the register block of products over pixels.
  var outerRows: Int { configuration.isCPUFamily && configuration.blockVectors == 1 ? 2 : 4 }

  /// Rows of a head's matrix that one work-item multiplies with.
  func headRows(_ m: Int) -> Int { configuration.isCPUFamily ? m : configuration.blockRows }

  /// The grid of kernels that multiply per-head matrices with columns of pixels.
  func headGrid(_ shape: Shape, heads: Int, m: Int, parts: Int) -> [Int] {
    let columns = configuration.blockVectors * configuration.vectorWidth
    let rows = headRows(m)
    return [
      (shape.plane + columns - 1) / columns, parts * heads * ((m + rows - 1) / rows), shape.n,
    ]
  }

  /// The work-group of kernels whose first dimension counts columns of pixels.
  var columnGroup: [Int] { [configuration.isCPUFamily ? 1 : configuration.groupSize, 1, 1] }
}
