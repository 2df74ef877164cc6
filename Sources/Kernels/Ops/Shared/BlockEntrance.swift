/// What both halves of a transformer block begin with: LayerNorm and a 1x1 convolution of the rows
/// that arrive in a band, whose results lie in a ring of rows.
///
/// The block's inputs are `x`, the LayerNorm's parameters, and those of three convolutions, of
/// which this is the first.
struct BlockEntrance {
  /// Whether the LayerNorm has a bias.
  let normBias: Bool
  /// Whether the convolutions have one.
  let bias: Bool

  /// Where a lane's intermediates lie: a few, from number `first` on.
  struct Memory {
    let first: Int
    /// Whether there are other lanes, one of which may overwrite the last row of this one's.
    private let hasNeighbours: Bool

    /// Where those of a lane lie, behind `common` ones of all lanes, if each has `own` more of the
    /// block's.
    init(_ lane: Int, of lanes: BandLanes, behind common: Int = 0, own: Int) {
      hasNeighbours = lanes.count > 1
      first = common + lane * ((hasNeighbours ? 5 : 4) + own)
    }

    fileprivate var norm: Piece { .intermediate(first) }
    fileprivate var mean: Piece { .intermediate(first + 1) }
    fileprivate var deviation: Piece { .intermediate(first + 2) }
    /// The rows of the convolution's result that a band still needs.
    var ring: Piece { .intermediate(first + 3) }
    fileprivate var lastRow: Piece { .intermediate(first + 4) }
    /// The number of the next intermediate.
    var end: Int { first + (hasNeighbours ? 5 : 4) }
  }

  /// Shapes of the block's inputs: `x`, the LayerNorm's parameters, and `weights` with their
  /// biases.
  func inputShapes(_ x: Shape, weights: [Shape]) -> [Shape] {
    [x, .vector(x.c)] + (normBias ? [.vector(x.c)] : [])
      + weights.flatMap { [$0] + (bias ? [.vector($0.n)] : []) }
  }

  /// The input that is the weight of convolution `number`; 3 is what follows the last one.
  func weightIndex(_ number: Int) -> Int { (normBias ? 3 : 2) + number * (bias ? 2 : 1) }

  /// Weight and perhaps bias of convolution 0, 1 or 2, of some output channels or all.
  func weights(_ number: Int, channels: Range<Int>? = nil) -> [Piece] {
    var (weight, offset) = (Piece.input(weightIndex(number)), Piece.input(weightIndex(number) + 1))
    (weight.images, offset.channels) = (channels, channels)
    return [weight] + (bias ? [offset] : [])
  }

  /// Records a half of a block as the paper has it: `middle` stands between its depthwise and its
  /// last convolution, the residual behind that.
  func composition(
    _ graph: Graph, _ inputs: [Tensor], middle: (Tensor) -> Tensor
  ) -> Tensor {
    func weight(_ number: Int) -> Tensor { inputs[weightIndex(number)] }
    func offset(_ number: Int) -> Tensor? { bias ? inputs[weightIndex(number) + 1] : nil }
    let norm = graph.layerNorm(inputs[0], weight: inputs[1], bias: normBias ? inputs[2] : nil)
    let wide = graph.conv1x1(norm, weight: weight(0), bias: offset(0))
    let inner = middle(graph.depthwiseConv(wide, weight: weight(1), bias: offset(1)))
    return graph.add(graph.conv1x1(inner, weight: weight(2), bias: offset(2)), inputs[0])
  }

  /// Shapes of a lane's intermediates, for a convolution of `x` to `channels` channels.
  func intermediates(_ x: Shape, channels: Int, _ lanes: BandLanes) -> [Shape] {
    let bands = lanes.bands
    return [
      Shape(1, x.c, bands.rows, x.w), Shape(1, 1, bands.rows, x.w), Shape(1, 1, bands.rows, x.w),
      Shape(1, channels, bands.slots, x.w),
    ] + (lanes.count > 1 ? [Shape(1, x.c, 1, x.w)] : [])
  }

  /// What a lane reads that others write: to be done before any of them begins.
  func prepare(
    _ x: Shape, _ image: Int, _ lane: Int, of lanes: BandLanes, channels: Range<Int>? = nil,
    _ memory: Memory
  ) -> [CompositeStep] {
    let slots = lanes.bands.slots
    let last = lanes.contestedRow(lane).map {
      CompositeStep(
        ChannelSlice(offset: 0, count: x.c),
        [.input(0).images(image..<image + 1).rows($0..<$0 + 1)], into: memory.lastRow)
    }
    return [last].compactMap { $0 }
      + lanes.rowsBefore(lane).flatMap { row in
        arrive(image, row..<row + 1, slot: row % slots, channels: channels, memory)
      }
  }

  /// The rows that arrive in a band of a lane; of the convolution some output channels, which go to
  /// the start of the ring, or all.
  func steps(
    _ image: Int, _ band: RowBands.Band, _ lane: Int, of lanes: BandLanes,
    channels: Range<Int>? = nil, _ memory: Memory
  ) -> [CompositeStep] {
    let (rows, slot) = (band.rows, band.slots.lowerBound)
    guard let last = lanes.contestedRow(lane), rows.contains(last) else {
      return arrive(image, rows, slot: slot, channels: channels, memory)
    }
    return arrive(image, rows.lowerBound..<last, slot: slot, channels: channels, memory)
      + arrive(
        image, last..<last + 1, slot: slot + rows.count - 1, from: memory.lastRow,
        channels: channels, memory)
  }

  /// Rows of `x`, or those of `source`, to the slots of the ring from `slot` on.
  private func arrive(
    _ image: Int, _ rows: Range<Int>, slot: Int, from source: Piece? = nil,
    channels: Range<Int>?, _ memory: Memory
  ) -> [CompositeStep] {
    guard !rows.isEmpty else { return [] }
    let count = 0..<rows.count
    let norm = memory.norm.rows(count)
    var ring = memory.ring.rows(slot..<slot + rows.count)
    ring.channels = channels.map { 0..<$0.count }
    return [
      CompositeStep(
        LayerNorm(bias: normBias),
        [source ?? .input(0).images(image..<image + 1).rows(rows), .input(1)]
          + (normBias ? [.input(2)] : []), into: norm, memory.mean.rows(count),
        memory.deviation.rows(count)),
      CompositeStep(Conv1x1(bias: bias), [norm] + weights(0, channels: channels), into: ring),
    ]
  }
}
