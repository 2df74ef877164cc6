/// Where every tensor of one run lies, known before anything is allocated.
public struct MemoryPlan: Sendable {
  /// A tensor's place: slab, first word of four bytes, elements from plane to plane.
  package struct Place: Sendable {
    let slab: Int
    let offset: Int
    let planeStride: Int
  }

  /// Words of four bytes of each slab; a slab is one allocation.
  public let slabs: [Int]
  package let places: [Int: Place]
  package let scratch: [[Place]]

  /// Bytes of all slabs.
  public var bytes: Int { slabs.reduce(0, +) * MemoryLayout<Float>.stride }

  /// What allocating the slabs takes.
  public var need: MemoryNeed { MemoryNeed(storages: slabs) }

  /// Lays out what computing `kept` of `graph` takes on `backend`; `external` tensors lie
  /// elsewhere.
  public init(
    _ graph: Graph, keeping kept: [Tensor], external: some Sequence<Tensor>,
    on backend: some Backend
  ) {
    self.init(
      nodes: graph.nodes(yielding: kept), kept: kept + graph.placeholders,
      external: Set(external.map(\.id)), limit: backend.memory.largestStorage,
      scratch: backend.scratch)
  }

  /// Lays out the tensors that `nodes` read and write, so that tensors that live at the same time
  /// never overlap and no slab exceeds `limit` elements (a single larger tensor gets a slab of its
  /// own and fails at allocation, where the device can say why).
  ///
  /// - Parameters:
  ///   - nodes: in order of execution.
  ///   - kept: tensors that must survive the whole run.
  ///   - external: ids of tensors that lie elsewhere.
  ///   - limit: elements of one allocation.
  ///   - scratch: temporary elements a node needs.
  public init(
    nodes: [Node], kept: [Tensor], external: Set<Int>, limit: Int,
    scratch: (any Op, [Shape]) -> [Int]
  ) {
    let homes = Homes(nodes: nodes, kept: kept, external: external)
    var blocks = homes.blocks
    var scratchBlocks: [[Int]] = []
    for (step, node) in nodes.enumerated() {
      scratchBlocks.append(
        scratch(node.op, node.inputs.map(\.shape)).map { count in
          blocks.append(Block(count: roundUp(count, 64), stride: count, life: step...step))
          return blocks.count - 1
        })
    }
    let (positions, slabs) = Packer.best(
      of: blocks, limit: max(1, limit))
    self.slabs = slabs
    func place(_ index: Int, offset: Int = 0) -> Place {
      Place(
        slab: positions[index].slab, offset: positions[index].offset + offset,
        planeStride: blocks[index].planeStride)
    }
    places = homes.homes.mapValues { place($0.block, offset: $0.offset) }
    self.scratch = scratchBlocks.map { $0.map { place($0) } }
  }
}

/// Which tensors share memory: an operator's output may take the place of its input, and tensors
/// that are joined lie side by side from the start.
///
/// A block is memory that has one place in a slab; a home is where a tensor lies within a block.
/// Three things put several tensors into one block: an operator that updates in place, tensors that
/// are joined, and tensors that are given from outside, which have no block here at all.
private struct Homes {
  /// A place within a block.
  struct Home {
    var block: Int
    var offset: Int
  }

  private(set) var blocks: [Block] = []
  private(set) var homes: [Int: Home] = [:]
  private let external: Set<Int>
  private var lastUse: [Int: Int] = [:]

  init(nodes: [Node], kept: [Tensor], external: Set<Int>) {
    self.external = external
    for (step, node) in nodes.enumerated() {
      for tensor in node.inputs + node.outputs { lastUse[tensor.id] = step }
    }
    for tensor in kept { lastUse[tensor.id] = nodes.count }
    // A tensor first seen as an input is a placeholder: it is written before the run begins.
    for (step, node) in nodes.enumerated() {
      for input in node.inputs { use(input, at: step, first: 0) }
      switch node.aliasing {
      case .none: break
      case .inPlace: updateInPlace(node, at: step)
      case .sideBySide: join(node, at: step)
      }
      for output in node.outputs { use(output, at: step, first: step) }
    }
    for tensor in kept { use(tensor, at: nodes.count, first: 0) }
    let used = Set(homes.values.map(\.block)).sorted()
    let number = Dictionary(uniqueKeysWithValues: zip(used, 0...))
    blocks = used.map { blocks[$0] }
    homes = homes.mapValues { Home(block: number[$0.block] ?? 0, offset: $0.offset) }
  }

  private mutating func use(_ tensor: Tensor, at step: Int, first: Int) {
    guard !external.contains(tensor.id) else { return }
    guard let home = homes[tensor.id] else {
      homes[tensor.id] = Home(block: blocks.count, offset: 0)
      blocks.append(Block(tensor, life: first...step))
      return
    }
    blocks[home.block].extend(to: step)
  }

  /// The first output takes the place of the first input, if that is not read again.
  private mutating func updateInPlace(_ node: Node, at step: Int) {
    let (input, output) = (node.inputs[0], node.outputs[0])
    guard isFree(input, after: step), !external.contains(output.id), input.shape == output.shape,
      input.precision == output.precision,
      !node.inputs.dropFirst().contains(input)
    else { return }
    homes[output.id] = homes[input.id]
  }

  /// The inputs become parts of the output, if neither is read again.
  private mutating func join(_ node: Node, at step: Int) {
    let (a, b, output) = (node.inputs[0], node.inputs[1], node.outputs[0])
    guard a != b, output.shape.n == 1, !external.contains(output.id),
      isFree(a, after: step), isFree(b, after: step),
      let first = homes[a.id], let second = homes[b.id], first.block != second.block,
      first.offset == 0, second.offset == 0
    else { return }
    var whole = Block(output, life: step...step)
    let (middle, rest) = (
      output.precision.words(a.shape.c * whole.planeStride),
      output.precision.words(b.shape.c * whole.planeStride)
    )
    let strides = [first, second].map { blocks[$0.block].planeStride }
    guard strides.allSatisfy({ $0 == whole.planeStride }),
      [a, b].allSatisfy({ $0.precision == output.precision }),
      4 * middle == output.precision.bytes * a.shape.c * whole.planeStride,
      blocks[first.block].count <= middle, blocks[second.block].count <= rest
    else { return }
    whole.adopt(blocks[first.block], at: 0)
    whole.adopt(blocks[second.block], at: middle)
    for (id, home) in homes {
      if home.block == first.block { homes[id] = Home(block: blocks.count, offset: home.offset) }
      if home.block == second.block {
        homes[id] = Home(block: blocks.count, offset: middle + home.offset)
      }
    }
    homes[output.id] = Home(block: blocks.count, offset: 0)
    blocks.append(whole)
  }

  private func isFree(_ tensor: Tensor, after step: Int) -> Bool {
    !external.contains(tensor.id) && lastUse[tensor.id] == step
  }
}

/// Memory of one tensor, of several in turn, or of tensors that are joined: parts with lives of
/// their own.
///
/// A part is alive from the step that first writes it to the one that last reads it, both included:
/// what is alive at the same step may not overlap.
private struct Block {
  struct Part {
    var range: Range<Int>
    var life: ClosedRange<Int>
  }

  /// Words of four bytes.
  let count: Int
  /// Elements from one plane to the next.
  let planeStride: Int
  /// The block as a whole first, then the parts it was joined from.
  private(set) var parts: [Part]

  init(count: Int, stride: Int, life: ClosedRange<Int>) {
    (self.count, planeStride, parts) = (count, stride, [Part(range: 0..<count, life: life)])
  }

  init(_ tensor: Tensor, life: ClosedRange<Int>) {
    let (shape, stride) = (tensor.shape, paddedPlaneStride(tensor.shape))
    let words = tensor.precision.words(shape.n * shape.c * stride)
    self.init(count: roundUp(words, 64), stride: stride, life: life)
  }

  /// A use at `step`: parts that were joined are not used any more, so that it is one of the whole.
  mutating func extend(to step: Int) {
    let life = parts[0].life
    parts[0].life = life.lowerBound...max(step, life.upperBound)
  }

  mutating func adopt(_ block: Block, at offset: Int) {
    parts += block.parts.map {
      Part(range: $0.range.lowerBound + offset..<$0.range.upperBound + offset, life: $0.life)
    }
  }
}

/// Greedy placement, largest block first, at the lowest offset that is free during the lives of its
/// parts.
///
/// Placing by size is the usual heuristic for this problem, which is that of packing rectangles
/// (steps along one side, elements along the other): large blocks find room while there is some,
/// small ones fill the gaps.
private struct Packer {
  private let limit: Int
  /// Whether joined tensors start behind a margin.
  private let hasMargins: Bool
  private var slabs: [Int] = []
  private var placed: [[Block.Part]] = []

  private init(limit: Int, hasMargins: Bool) {
    (self.limit, self.hasMargins) = (limit, hasMargins)
  }

  /// The better of two placements. More and smaller planes carry more padding than fewer of the
  /// same size in all, so that they need a little more room than the free half of joined tensors,
  /// unless there is a margin before it.
  static func best(of blocks: [Block], limit: Int) -> (
    positions: [(slab: Int, offset: Int)], slabs: [Int]
  ) {
    let placements = [false, true].map { hasMargins in
      var packer = Packer(limit: limit, hasMargins: hasMargins)
      let positions = packer.place(blocks)
      return (positions: positions, slabs: packer.slabs)
    }
    func bytes(_ index: Int) -> Int { placements[index].slabs.reduce(0, +) }
    return bytes(1) < bytes(0) ? placements[1] : placements[0]
  }

  private mutating func place(_ blocks: [Block]) -> [(slab: Int, offset: Int)] {
    var positions = [(slab: Int, offset: Int)](repeating: (0, 0), count: blocks.count)
    let order = blocks.indices.sorted {
      (blocks[$0].count, $1) > (blocks[$1].count, $0)
    }
    for index in order { positions[index] = place(blocks[index]) }
    return positions
  }

  private mutating func place(_ block: Block) -> (slab: Int, offset: Int) {
    for slab in slabs.indices {
      let offset = lowestOffset(block, in: slab)
      if offset + block.count <= max(limit, slabs[slab]) { return insert(block, slab, offset) }
    }
    slabs.append(0)
    placed.append([])
    return insert(block, slabs.count - 1, min(margin(block), max(0, limit - block.count)))
  }

  private func margin(_ block: Block) -> Int {
    hasMargins && block.parts.count > 1 ? roundUp(block.count / 1024, 64) : 0
  }

  /// Moves up until no part meets another that lives at the same time.
  private func lowestOffset(_ block: Block, in slab: Int) -> Int {
    var offset = margin(block)
    var moved = true
    while moved {
      moved = false
      for other in placed[slab] {
        for part in block.parts where part.life.overlaps(other.life) {
          let (low, high) = (part.range.lowerBound + offset, part.range.upperBound + offset)
          guard low < other.range.upperBound, other.range.lowerBound < high else { continue }
          offset = other.range.upperBound - part.range.lowerBound
          moved = true
        }
      }
    }
    return offset
  }

  private mutating func insert(_ block: Block, _ slab: Int, _ offset: Int) -> (
    slab: Int, offset: Int
  ) {
    let parts = block.parts.map {
      Block.Part(
        range: $0.range.lowerBound + offset..<$0.range.upperBound + offset, life: $0.life)
    }
    let position =
      placed[slab].firstIndex { $0.range.lowerBound >= offset } ?? placed[slab].endIndex
    placed[slab].insert(contentsOf: parts, at: position)
    slabs[slab] = max(slabs[slab], offset + block.count)
    return (slab, offset)
  }
}
