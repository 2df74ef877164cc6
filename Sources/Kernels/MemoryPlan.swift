/// Where every tensor of one run lies, known before anything is allocated.
public struct MemoryPlan: Sendable {
  /// A tensor's place: slab, first element, plane stride.
  package struct Place: Sendable {
    let slab: Int
    let offset: Int
    let planeStride: Int
  }

  /// Elements of each slab; a slab is one allocation.
  public let slabs: [Int]
  package let places: [Int: Place]
  package let scratch: [[Place]]

  /// Bytes of all slabs.
  public var bytes: Int { slabs.reduce(0, +) * MemoryLayout<Float>.stride }

  /// Lays out the tensors that `nodes` read and write, so that tensors that live at the same time never
  /// overlap and no slab exceeds `limit` bytes (a single larger tensor gets a slab of its own and fails
  /// at allocation, where the device can say why).
  ///
  /// - Parameters:
  ///   - nodes: in order of execution.
  ///   - kept: tensors that must survive the whole run.
  ///   - external: ids of tensors that lie elsewhere.
  ///   - limit: bytes of one allocation.
  ///   - scratch: temporary elements a node needs.
  public init(
    nodes: [Node], kept: [Tensor], external: Set<Int>, limit: Int,
    scratch: (any Op, [Shape]) -> [Int]
  ) {
    var blocks = Self.lifetimes(nodes: nodes, kept: kept, external: external)
    let tensorBlocks = blocks.count
    var scratchBlocks: [[Int]] = []
    for (step, node) in nodes.enumerated() {
      scratchBlocks.append(
        scratch(node.op, node.inputs.map(\.shape)).map { count in
          blocks.append(Block(id: nil, count: roundUp(count, 64), stride: count, step...step))
          return blocks.count - 1
        })
    }
    var packer = Packer(limit: max(1, limit / MemoryLayout<Float>.stride))
    let positions = packer.place(blocks)
    slabs = packer.slabs
    func place(_ index: Int) -> Place {
      Place(
        slab: positions[index].slab, offset: positions[index].offset,
        planeStride: blocks[index].planeStride)
    }
    places = Dictionary(
      uniqueKeysWithValues: (0..<tensorBlocks).compactMap { index in
        blocks[index].id.map { ($0, place(index)) }
      })
    self.scratch = scratchBlocks.map { $0.map(place) }
  }

  private static func lifetimes(nodes: [Node], kept: [Tensor], external: Set<Int>) -> [Block] {
    var blocks: [Block] = []
    var index: [Int: Int] = [:]
    func touch(_ tensor: Tensor, at step: Int, first: Int) {
      guard !external.contains(tensor.id) else { return }
      if let known = index[tensor.id] {
        blocks[known].life =
          blocks[known].life.lowerBound...max(step, blocks[known].life.upperBound)
      } else {
        let stride = paddedPlaneStride(tensor.shape)
        let count = roundUp(tensor.shape.n * tensor.shape.c * stride, 64)
        index[tensor.id] = blocks.count
        blocks.append(Block(id: tensor.id, count: count, stride: stride, first...step))
      }
    }
    // A tensor first seen as an input is a placeholder: it is written before the run begins.
    for (step, node) in nodes.enumerated() {
      for input in node.inputs { touch(input, at: step, first: 0) }
      for output in node.outputs { touch(output, at: step, first: step) }
    }
    for tensor in kept { touch(tensor, at: nodes.count, first: 0) }
    return blocks
  }
}

private struct Block {
  let id: Int?
  let count: Int
  let planeStride: Int
  var life: ClosedRange<Int>

  init(id: Int?, count: Int, stride: Int, _ life: ClosedRange<Int>) {
    (self.id, self.count, planeStride, self.life) = (id, count, stride, life)
  }
}

/// Greedy placement, largest block first, at the lowest offset that is free during its life.
private struct Packer {
  let limit: Int
  var slabs: [Int] = []
  private var placed: [[(range: Range<Int>, life: ClosedRange<Int>)]] = []

  init(limit: Int) { self.limit = limit }

  mutating func place(_ blocks: [Block]) -> [(slab: Int, offset: Int)] {
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
    return insert(block, slabs.count - 1, 0)
  }

  private func lowestOffset(_ block: Block, in slab: Int) -> Int {
    var offset = 0
    for other in placed[slab] where other.life.overlaps(block.life) {
      if other.range.lowerBound >= offset + block.count { break }
      offset = max(offset, other.range.upperBound)
    }
    return offset
  }

  private mutating func insert(_ block: Block, _ slab: Int, _ offset: Int) -> (
    slab: Int, offset: Int
  ) {
    let range = offset..<(offset + block.count)
    let position =
      placed[slab].firstIndex { $0.range.lowerBound >= offset } ?? placed[slab].endIndex
    placed[slab].insert((range, block.life), at: position)
    slabs[slab] = max(slabs[slab], range.upperBound)
    return (slab, offset)
  }
}

/// `value` rounded up to a multiple of `step`.
package func roundUp(_ value: Int, _ step: Int) -> Int { (value + step - 1) / step * step }
