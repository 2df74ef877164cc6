/// How an elementwise kernel divides planes among work-items: several thousand elements each on a
/// CPU device, where a work-group costs a fraction of a microsecond; one element each elsewhere.
///
/// Dimension 0 counts stretches of pixels, 1 groups of channels, 2 images; kernels test their
/// bounds.
struct ElementGrid {
  let pixelsPerItem: Int
  let global: [Int]
  let local: [Int]
  /// `pixels, channels, pixels_per_item, channels_per_item` of the kernel.
  let arguments: [KernelArgument]

  init(_ shape: Shape, _ configuration: KernelConfiguration) {
    var channelsPerItem = 1
    if configuration.traits.isCPU {
      let target = elementsPerItem(shape)
      pixelsPerItem = roundUp(min(shape.plane, target), 16)
      channelsPerItem = max(1, target / shape.plane)
    } else {
      pixelsPerItem = 1
    }
    global = [
      ceilingQuotient(shape.plane, pixelsPerItem), ceilingQuotient(shape.c, channelsPerItem),
      shape.n,
    ]
    local = [configuration.traits.isCPU ? 1 : configuration.groupSize, 1, 1]
    arguments = [
      .int(shape.plane), .int(shape.c), .int(pixelsPerItem), .int(channelsPerItem),
    ]
  }
}

/// How a kernel over image rows divides planes: whole rows of several channels per work-item on a
/// CPU device; elsewhere one column of `rowsPerSweep` rows.
///
/// A sweep computes a few rows at once, which share the loads of their neighbours. Dimension 0
/// counts sweeps, on a GPU for each column, 1 groups of channels, 2 images.
struct RowGrid {
  let global: [Int]
  let local: [Int]
  /// `channels, height, width, rows_per_item, channels_per_item` of the kernel.
  let arguments: [KernelArgument]

  init(_ shape: Shape, rowsPerSweep: Int, _ configuration: KernelConfiguration) {
    var rowsPerItem = rowsPerSweep
    var channelsPerItem = 1
    if configuration.traits.isCPU {
      let target = elementsPerItem(shape)
      rowsPerItem = roundUp(min(shape.h, max(1, target / shape.w)), rowsPerSweep)
      channelsPerItem = max(1, target / shape.plane)
    }
    let blocks = ceilingQuotient(shape.h, rowsPerItem)
    global = [
      configuration.traits.isCPU ? blocks : blocks * shape.w,
      ceilingQuotient(shape.c, channelsPerItem), shape.n,
    ]
    local = [configuration.traits.isCPU ? 1 : configuration.groupSize, 1, 1]
    arguments = [
      .int(shape.c), .int(shape.h), .int(shape.w), .int(rowsPerItem), .int(channelsPerItem),
    ]
  }
}

/// How a GPU divides images among work-items with four columns of a few rows each: dimension 0
/// counts columns, 1 rows, 2 channels, so that an item need not divide to find its place; it goes
/// through all images.
///
/// A group lies side by side as far as a row goes, then down, then over channels: small pictures
/// fill it as well as large ones.
struct BlockGrid {
  let global: [Int]
  let local: [Int]

  /// Blocks of `rows` rows of `shape`.
  init(_ shape: Shape, rows: Int, _ configuration: KernelConfiguration) {
    global = [ceilingQuotient(shape.w, 4), ceilingQuotient(shape.h, rows), shape.c]
    let across = Self.powerOfTwo(global[0], atMost: min(32, configuration.groupSize))
    let down = Self.powerOfTwo(global[1], atMost: configuration.groupSize / across)
    local = [across, down, configuration.groupSize / (across * down)]
  }

  /// The least power of two that reaches `count`, or else the largest up to `most`.
  static func powerOfTwo(_ count: Int, atMost most: Int) -> Int {
    var power = 1
    while power < count, 2 * power <= most { power *= 2 }
    return power
  }
}

/// The first stage of a sum over all elements: a work-group per chunk of a plane, one partial sum
/// each.
///
/// A chunk has at least 4096 elements, so that a partial sum outweighs its group's start, and on a
/// large plane as many as leave a few hundred groups.
struct SumGrid {
  let chunk: Int
  /// Partial sums, one per work-group.
  let partials: Int
  let global: [Int]
  let local: [Int]

  init(_ shape: Shape, _ configuration: KernelConfiguration) {
    let items = configuration.traits.isCPU ? 1 : configuration.groupSize
    chunk = roundUp(max(4096, shape.plane / (configuration.traits.isCPU ? 256 : 1024)), 16)
    let groups = ceilingQuotient(shape.plane, chunk)
    partials = groups * shape.c * shape.n
    global = [groups * items, shape.c, shape.n]
    local = [items, 1, 1]
  }

  /// The one work-group that adds the partial sums.
  var totalGroup: [Int] { [local[0]] }
}

/// Elements that one work-item of a CPU device takes: enough to outweigh its start, few enough for
/// all cores.
private func elementsPerItem(_ shape: Shape) -> Int { min(16_384, max(512, shape.count / 64)) }

/// Output channels of one work-item: all of them where there are enough pixels to go round, else a
/// share.
func rowsPerItem(_ channels: Int, items: Int, _ configuration: KernelConfiguration) -> Int {
  let block = configuration.blockRows
  guard configuration.traits.isCPU else { return block }
  var rows = roundUp(channels, block)
  var count = items
  while count < 64, rows > block {
    rows = roundUp(rows / 2, block)
    count *= 2
  }
  return rows
}
