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
    let wanted = max(1, 32 / (heads * images))
    length =
      traits.isCPU
      ? max(128, roundUp(ceilingQuotient(pixels, wanted), 32))
      : PixelProducts(m, m, pixels: pixels, copies: heads * images, on: traits).length
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
    try Self.rowLaunch(
      "attention_softmax",
      [
        .region(sums), .tensor(t), .tensor(a), .tensor(cosines), .tensor(norms), .int(m),
        .int(heads),
      ] + slices, rows: m, copies: images * heads, on: backend)
  }

  /// A launch with `rows` work-groups for each of `copies`: on a GPU as large as device and kernel
  /// allow, so that many items share a sum.
  static func rowLaunch(
    _ name: String, _ arguments: [KernelArgument], rows: Int, copies: Int,
    on backend: OpenCLBackend
  ) throws -> Launch {
    var items = 1
    if !backend.traits.isCPU {
      items =
        try [256, 128].first {
          try $0
            <= backend.largestGroup(ChannelAttention.name, name, defines: ["GROUP_SIZE": $0])
        } ?? 64
    }
    return try backend.launch(
      ChannelAttention.name, name, arguments, global: [rows * items, copies], local: [items, 1],
      defines: backend.traits.isCPU ? [:] : ["GROUP_SIZE": items])
  }

  /// The partial sums on a device, added to `previous`, which may be `partial` itself.
  func partialSums(
    _ left: DeviceTensor, _ leftPart: Int, _ right: DeviceTensor, _ rightPart: Int, squares: Bool,
    to previous: DeviceTensor?, into partial: DeviceTensor, on backend: OpenCLBackend
  ) throws -> Launch {
    let isCPU = backend.traits.isCPU
    let tiles = PixelProducts(
      m, m, pixels: pixels, length: length, copies: heads * images, on: backend.traits)
    let count: [KernelArgument] = isCPU ? [] : [.int(slices)]
    return try backend.launch(
      ChannelAttention.name, isCPU ? "attention_gram" : "attention_gram_tiles",
      [
        .tensor(left), .tensor(right), .region(previous ?? partial), .region(partial),
        .int(pixels), .int(m), .int(heads), .int(leftPart), .int(rightPart), .int(length),
        .int(squares ? 1 : 0), .int(previous == nil ? 0 : 1),
      ] + count,
      global: [
        isCPU ? 1 : PixelProducts.group * tiles.rows * tiles.columns, slices, images * heads,
      ],
      local: [isCPU ? 1 : PixelProducts.group, 1, 1],
      defines: (isCPU
        ? PanelBlock(channels: m, backend.configuration).defines
        : tiles.defines(reading: [left, right]))
        .merging(HalfDefines.of(left)) { $1 },
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
}

extension OpenCLBackend {
  /// A launch that multiplies the matrices of heads of `m` channels with the pixels of `shape`:
  /// `name` on a CPU, whose work-item walks along its rows, so that their next pixels are fetched
  /// in advance; on a GPU `name_tiles`.
  /// - Parameters:
  ///   - name: the kernel.
  ///   - arguments: those of either kernel, up to the heads.
  ///   - tensors: those among them that are read and, the last, written pixel by pixel.
  ///   - shape: images and pixels.
  ///   - heads: heads of an image.
  ///   - m: channels of a head.
  ///   - parts: products of each head, where there are several.
  ///   - multiplyAdds: those of the products.
  /// - Throws: `OpenCLError` with the build log.
  func headLaunch(
    _ name: String, _ arguments: [KernelArgument], along tensors: [DeviceTensor], _ shape: Shape,
    heads: Int, m: Int, parts: Int? = nil, multiplyAdds: Int
  ) throws -> Launch {
    let half = HalfDefines.of(tensors[0], into: tensors.last)
    guard traits.isCPU else {
      return try launch(
        ChannelAttention.name, name + "_tiles", arguments,
        global: HeadTiles.global(shape, heads: heads, m: m, parts: parts ?? 1),
        local: HeadTiles.local,
        defines: HeadTiles.defines(reading: tensors).merging(half) { $1 },
        multiplyAdds: multiplyAdds)
    }
    let block = configuration.blockVectors * configuration.vectorWidth
    let tiles = ceilingQuotient(shape.plane, block)
    let columns = block * max(1, min(8, tiles * heads * shape.n / 32))
    // All parts of a few pixels at a time find q and k in cache.
    return try launch(
      ChannelAttention.name, name,
      arguments + [.int(columns), .int(m)] + (parts.map { [.int($0)] } ?? []),
      global: [ceilingQuotient(shape.plane, columns), heads, shape.n], local: columnGroup,
      defines: ["BLOCK_ROWS": configuration.fittingBlockRows(m)].merging(half) { $1 },
      multiplyAdds: multiplyAdds)
  }

  /// The work-group of kernels whose first dimension counts columns of pixels.
  var columnGroup: [Int] { [configuration.traits.isCPU ? 1 : configuration.groupSize, 1, 1] }
}
