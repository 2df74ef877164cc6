import CLBackend
import CMicroKernels

/// Products over pixels between the channels of a head, shared by channel attention and its
/// gradient.
///
/// Pixels are cut into slices; the partial sums of a slice are `m x m` products, then the sums of
/// squares of the `m` rows of either side. Adding the slices leaves the totals in the first one.
///
/// The number of slices follows from the shape and the device alone, and slices are added in order:
/// every run on a device gives the same bits.
struct HeadProducts {
  /// Channels of a head.
  let m: Int
  private let heads: Int
  private let images: Int
  private let pixels: Int
  /// Pixels of a slice.
  let length: Int

  /// The slices that keep all cores busy; the sums depend on their number only by rounding.
  init(_ qkv: Shape, heads: Int, on traits: DeviceTraits) {
    (self.heads, images, pixels) = (heads, qkv.n, qkv.plane)
    m = qkv.c / 3 / heads
    let wanted = max(1, (traits.isCPU ? 32 : 512) / (heads * images))
    let share = max(128, roundUp(ceilingQuotient(pixels, wanted), 32))
    // A GPU's work-item adds up one product at a time: short slices keep its error small.
    length = traits.isCPU ? share : min(4096, share)
    slices = ceilingQuotient(pixels, length)
  }

  /// Products of tensors `[images, parts m heads, …]` over `pixels` pixels, in exactly `slices`
  /// slices, some of which may be empty.
  init(m: Int, heads: Int, images: Int, pixels: Int, slices: Int) {
    (self.m, self.heads, self.images, self.pixels) = (m, heads, images, pixels)
    length = roundUp(ceilingQuotient(pixels, slices), 16)
    self.slices = slices
  }

  /// Slices of each head.
  let slices: Int

  /// Sums are padded to a multiple of this.
  static let unit = 16
  /// Work-items of a GPU's group along rows and along columns of products, and the largest block of
  /// one of them.
  static let (groupSide, largestBlock) = (8, 4)

  /// Sums of a slice.
  var count: Int { roundUp(m * (m + 2), Self.unit) }

  /// Multiply-adds of the products.
  var multiplyAdds: Int { images * heads * m * m * pixels }

  /// Elements of all partial sums.
  var scratch: Int { images * heads * slices * count }

  /// Where the totals of a head start in the scratch.
  func totals(_ n: Int, _ head: Int) -> Int { (n * heads + head) * slices * count }

  /// The sums on the CPU, of `left[n, left part + head, i] right[n, right part + head, j]`; parts
  /// are counted in heads.
  func evaluate(
    _ left: CPUTensor, _ leftPart: Int, _ right: CPUTensor, _ rightPart: Int, squares: Bool,
    into partial: UnsafeMutablePointer<Float>
  ) {
    add(left, leftPart, right, rightPart, squares: squares, to: nil, into: partial)
    total(partial, into: partial, step: slices * count)
  }

  /// The partial sums on the CPU, added to `previous`, which may be `partial` itself.
  func add(
    _ left: CPUTensor, _ leftPart: Int, _ right: CPUTensor, _ rightPart: Int, squares: Bool,
    to previous: UnsafePointer<Float>?, into partial: UnsafeMutablePointer<Float>
  ) {
    let run = runLength(2 * m)
    parallelFor(images * heads * slices) { index in
      let (n, head, s) = (index / slices / heads, index / slices % heads, index % slices)
      let sum = partial + index * count
      if let previous {
        for i in 0..<count { sum[i] = previous[index * count + i] }
      } else {
        sum.update(repeating: 0, count: count)
      }
      let end = min((s + 1) * length, pixels)
      for begin in stride(from: s * length, to: end, by: run) {
        let first = left.plane(n, (leftPart + head) * m) + begin
        let second = right.plane(n, (rightPart + head) * m) + begin
        let size = min(run, end - begin)
        restormer_outer(
          first, left.planeStride, second, right.planeStride, sum, m, Int32(size), Int32(m),
          Int32(m))
        guard squares else { continue }
        for i in 0..<m {
          sum[m * m + i] += Float(restormer_sum_of_squares(first + i * left.planeStride, size))
          sum[m * m + m + i] += Float(
            restormer_sum_of_squares(second + i * right.planeStride, size))
        }
      }
    }
  }

  /// Adds the slices of each image and head; the totals are `step` apart.
  func total(
    _ partial: UnsafePointer<Float>, into totals: UnsafeMutablePointer<Float>, step: Int
  ) {
    parallelFor(images * heads) { index in
      let (sums, result) = (partial + index * slices * count, totals + index * step)
      for i in 0..<count {
        var total = sums[i]
        for s in 1..<max(1, slices) { total += sums[s * count + i] }
        result[i] = total
      }
    }
  }

  /// The sums on a device, on a CPU the totals in the first slice; parts are thirds of a `qkv`
  /// tensor.
  func launches(
    _ left: DeviceTensor, _ leftPart: Int, _ right: DeviceTensor, _ rightPart: Int, squares: Bool,
    into partial: DeviceTensor, on backend: OpenCLBackend
  ) throws -> [Launch] {
    let sums = try partialSums(
      left, leftPart, right, rightPart, squares: squares, to: nil, into: partial, on: backend)
    guard slices > 1, backend.configuration.traits.isCPU else { return [sums] }
    return [sums, try totals(partial, into: partial, step: slices * count, on: backend)]
  }

  /// `slices` of the kernels that read the sums, and how many of them they have to add up: a GPU's
  /// groups do that themselves.
  func sliceArguments(on backend: OpenCLBackend) -> [KernelArgument] {
    [.int(slices), .int(backend.configuration.traits.isCPU ? 1 : slices)]
  }

  /// Norms, cosines and their softmax from the sums.
  func softmax(
    _ sums: DeviceTensor, _ slices: [KernelArgument], _ t: DeviceTensor, _ a: DeviceTensor,
    _ cosines: DeviceTensor, _ norms: DeviceTensor, on backend: OpenCLBackend
  ) throws -> Launch {
    try backend.launch(
      ChannelAttention.name, "attention_softmax",
      [
        .region(sums), .tensor(t), .tensor(a), .tensor(cosines), .tensor(norms), .int(m),
        .int(heads),
      ] + slices, global: rowGrid(on: backend), local: rowGroup(on: backend))
  }

  /// A work-group for each row of a head.
  func rowGrid(on backend: OpenCLBackend) -> [Int] {
    [m * rowGroup(on: backend)[0], images * heads]
  }

  func rowGroup(on backend: OpenCLBackend) -> [Int] {
    [backend.configuration.traits.isCPU ? 1 : backend.configuration.groupSize, 1]
  }

  /// The partial sums on a device, added to `previous`, which may be `partial` itself.
  func partialSums(
    _ left: DeviceTensor, _ leftPart: Int, _ right: DeviceTensor, _ rightPart: Int, squares: Bool,
    to previous: DeviceTensor?, into partial: DeviceTensor, on backend: OpenCLBackend
  ) throws -> Launch {
    let isCPU = backend.traits.isCPU
    let tile = Self.groupSide * tileBlock
    let tiles = ceilingQuotient(m, tile) * ceilingQuotient(m, tile)
    let group = Self.groupSide * Self.groupSide
    return try backend.launch(
      ChannelAttention.name, isCPU ? "attention_gram" : "attention_gram_tiles",
      [
        .tensor(left), .tensor(right), .region(previous ?? partial), .region(partial),
        .int(pixels), .int(m), .int(heads), .int(leftPart), .int(rightPart), .int(length),
        .int(squares ? 1 : 0), .int(previous == nil ? 0 : 1),
      ],
      global: [isCPU ? 1 : group * tiles, slices, images * heads],
      local: [isCPU ? 1 : group, 1, 1],
      defines: isCPU
        ? PanelBlock(channels: m, backend.configuration).defines : ["GRAM_BLOCK": tileBlock],
      multiplyAdds: multiplyAdds)
  }

  /// The slices of each image and head added up; the totals are `step` apart.
  func totals(
    _ partial: DeviceTensor, into totals: DeviceTensor, step: Int, on backend: OpenCLBackend
  ) throws -> Launch {
    try backend.launch(
      ChannelAttention.name, "attention_gram_sum",
      [.region(partial), .region(totals), .int(count), .int(slices), .int(step)],
      global: [ceilingQuotient(count, backend.configuration.elementWidth), images * heads])
  }

  /// Rows and columns of a GPU's work-item: those that leave the fewest over.
  private var tileBlock: Int {
    let side = Self.groupSide
    return (1...Self.largestBlock).reversed().min {
      roundUp(m, side * $0) < roundUp(m, side * $1)
    } ?? 1
  }
}

extension OpenCLBackend {
  /// Pixels, and rows of a head's matrix, of one work-item of the kernels that multiply per-head
  /// matrices with pixels.
  ///
  /// On a CPU a work-item walks along its rows, so that their next pixels are fetched in advance;
  /// on a GPU it has one block of registers.
  func headBlock(_ shape: Shape, heads: Int, m: Int) -> (columns: Int, rows: Int) {
    let columns = configuration.blockVectors * configuration.vectorWidth
    guard configuration.traits.isCPU else { return (columns, configuration.blockRows) }
    let tiles = ceilingQuotient(shape.plane, columns)
    return (columns * max(1, min(8, tiles * heads * shape.n / 32)), m)
  }

  /// The grid of those kernels.
  func headGrid(_ shape: Shape, heads: Int, m: Int, parts: Int) -> [Int] {
    let block = headBlock(shape, heads: heads, m: m)
    return [
      ceilingQuotient(shape.plane, block.columns),
      parts * heads * ceilingQuotient(m, block.rows), shape.n,
    ]
  }

  /// The work-group of kernels whose first dimension counts columns of pixels.
  var columnGroup: [Int] { [configuration.traits.isCPU ? 1 : configuration.groupSize, 1, 1] }
}
