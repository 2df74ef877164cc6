/// The attention half of a transformer block in bands of rows:
/// `y = x + W_o · attention(dw(W_qkv · norm(x)))`.
///
/// q and k of a band feed the sums over pixels and are gone; v is kept for the whole image, or
/// computed again when the attention matrix is known, which takes the memory of one feature map
/// less and about a third more time. `y` may take the place of `x`. The statistics of attention are
/// those of the image or of windows (`LocalAttention`), which have a matrix for each of their
/// cells.
///
/// Inputs: `x` `[n, c, h, w]`; weight and perhaps bias of the LayerNorm; `W_qkv` `[3 c, c, 1, 1]`,
/// its depthwise kernel `[3 c, 1, 3, 3]` and `W_o` `[c, c, 1, 1]`, each followed by its bias if
/// there are any; the temperatures `[heads]` last. Output: as `x`.
///
/// Only a few rows of q and k exist at a time. The Gram matrix needs all of them before the first
/// row of the result, so that v is kept, or computed a second time where memory is to be saved.
package struct AttentionBlock: CompositeOp {
  public static let name = "AttentionBlock"
  public static let section = "ChannelAttention"
  public static let tuning = TuningSpace.bands
  package var storesHalf = false
  private let heads: Int
  private let entrance: BlockEntrance
  private let keepsValues: Bool
  private let mostSlices: Int
  private let window: Shape?

  /// The block.
  /// - Parameters:
  ///   - heads: heads of the attention.
  ///   - normBias: whether the LayerNorm has a bias.
  ///   - bias: whether the convolutions have one.
  ///   - keepsValues: whether v is kept for the whole image.
  ///   - mostSlices: slices of a band's sums over pixels, of all heads together, at most.
  ///   - window: the largest windows of local statistics, of which rows and columns count; nil:
  ///     those of the image.
  public init(
    heads: Int, normBias: Bool, bias: Bool, keepsValues: Bool, mostSlices: Int = 64,
    window: Shape? = nil
  ) {
    (self.heads, self.keepsValues, self.mostSlices) = (heads, keepsValues, mostSlices)
    self.window = window
    entrance = BlockEntrance(normBias: normBias, bias: bias)
  }

  public static var cases: [OpCase] {
    blockShapes.enumerated().flatMap { index, x in
      // Windows that the image holds a few times, and so small ones that the projection stays
      // apart.
      let windows = [nil, Shape(1, 1, x.h / 2 + 1, x.w / 3 + 1), Shape(1, 1, 2, 3)]
      return [true, false].flatMap { keeps in
        windows.map { window in
          let op = AttentionBlock(
            heads: index % 2 + 1, normBias: index % 2 == 0, bias: index % 3 == 0,
            keepsValues: keeps, window: window)
          return OpCase(op, op.inputShapes(x))
        }
      }
    }
  }

  private func inputShapes(_ x: Shape) -> [Shape] {
    let c = x.c
    let weights = [Shape(3 * c, c, 1, 1), Shape(3 * c, 1, 3, 3), Shape(c, c, 1, 1)]
    return entrance.inputShapes(x, weights: weights) + [.vector(heads)]
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs == inputShapes(inputs[0]) && inputs[0].c % heads == 0,
      "AttentionBlock: \(inputs) with \(heads) heads")
    return [inputs[0]]
  }

  package func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor {
    let temperature = inputs[entrance.weightIndex(3)]
    return entrance.composition(graph, inputs) {
      guard let window else {
        return graph.channelAttention($0, temperature: temperature, heads: heads)
      }
      return graph.localAttention(
        $0, temperature: temperature, heads: heads, window: (window.h, window.w))
    }
  }

  public var aliasing: Aliasing { .inPlace }

  /// Intermediates of all lanes; those of each lane follow.
  private enum Common: Int, CaseIterable {
    case values, sums, matrix
    var piece: Piece { .intermediate(rawValue) }
  }

  /// A lane's intermediates: those of the entrance, a band of q and k, and one of v.
  private struct Memory {
    let entrance: BlockEntrance.Memory
    var qk: Piece { .intermediate(entrance.end) }
    var value: Piece { .intermediate(entrance.end + 1) }
  }

  /// How an image is cut, and what is summed of it.
  private struct Cut {
    let x: Shape
    let lanes: BandLanes
    let statistics: BlockStatistics

    func memory(_ lane: Int) -> Memory {
      Memory(
        entrance: BlockEntrance.Memory(lane, of: lanes, behind: Common.allCases.count, own: 2))
    }
  }

  private func cut(_ x: Shape, _ sizes: BandSizes) -> Cut {
    var sizes = sizes
    // Cells of windows are summed by whoever comes by.
    if window != nil { sizes.lanes = nil }
    let lanes = BandLanes(x, channels: 3 * x.c, sizes, mostGroups: mostSlices)
    let statistics = BlockStatistics(
      x, heads: heads, window: window, bandPixels: lanes.bands.rows * x.w, mostSlices: mostSlices,
      groups: sizes.lanes.map { _ in lanes.groups.count })
    return Cut(x: x, lanes: lanes, statistics: statistics)
  }

  package func intermediates(_ inputs: [Shape], _ sizes: BandSizes) -> [Shape] {
    let (x, cut) = (inputs[0], cut(inputs[0], sizes))
    let none = Shape(1, 1, 1, 1)
    let value = Shape(1, x.c, cut.lanes.bands.readyRows, x.w)
    let common = [
      keepsValues ? Shape(1, x.c, x.h, x.w) : none, cut.statistics.sums, cut.statistics.matrix,
    ]
    return common
      + (0..<cut.lanes.count).flatMap { _ in
        entrance.intermediates(x, channels: 3 * x.c, cut.lanes) + [
          value.channels(2 * x.c), keepsValues ? none : value,
        ]
      }
  }

  package func phases(_ inputs: [Shape], _ sizes: BandSizes) -> [CompositePhase] {
    let cut = cut(inputs[0], sizes)
    return (0..<cut.x.n).flatMap { image in
      prepare(cut, image)
        + [
          cut.lanes.phase(bands: { gather(cut, image, lane: $0, band: $1) }),
          .together(
            cut.statistics.matrix(
              of: Common.sums.piece, temperature: .input(entrance.weightIndex(3)),
              projection: .input(entrance.weightIndex(2)), into: Common.matrix.piece)),
        ] + (keepsValues ? [applyToKept(cut, image)] : applyAgain(cut, image))
    }
  }

  private func prepare(
    _ cut: Cut, _ image: Int, channels: Range<Int>? = nil
  ) -> [CompositePhase] {
    [
      cut.lanes.phase {
        entrance.prepare(
          cut.x, image, $0, of: cut.lanes, channels: channels, cut.memory($0).entrance)
      }
    ]
  }

  /// What a band adds to the sums that the attention matrix needs.
  private func gather(_ cut: Cut, _ image: Int, lane: Int, band number: Int) -> [CompositeStep] {
    let (c, memory, band) = (cut.x.c, cut.memory(lane), cut.lanes.bands.bands[number])
    var steps = entrance.steps(image, band, lane, of: cut.lanes, memory.entrance)
    guard !band.ready.isEmpty else { return steps }
    let qk = memory.qk.rows(0..<band.ready.count)
    steps.append(convolve(cut.x, band, channels: 0..<2 * c, from: memory, into: qk))
    if keepsValues {
      steps.append(
        convolve(
          cut.x, band, channels: 2 * c..<3 * c, from: memory,
          into: Common.values.piece.rows(band.ready)))
    }
    let group = cut.lanes.group(of: number)
    steps.append(
      cut.statistics.add(
        qk, rows: band.ready, to: Common.sums.piece, group: group.index, isFirst: group.isFirst))
    return steps
  }

  /// At once, or band by band where heads and projection are applied apart.
  private func applyToKept(_ cut: Cut, _ image: Int) -> CompositePhase {
    let parts =
      cut.statistics.isOneProduct ? [0..<cut.x.h] : cut.lanes.bands.bands.map(\.ready)
    return .together(
      parts.filter { !$0.isEmpty }.flatMap { rows in
        apply(Common.values.piece.rows(rows), cut, image, rows: rows, cut.memory(0))
      })
  }

  /// v band by band once more, and the result of each.
  private func applyAgain(_ cut: Cut, _ image: Int) -> [CompositePhase] {
    let values = 2 * cut.x.c..<3 * cut.x.c
    return prepare(cut, image, channels: values) + [
      cut.lanes.phase(bands: { lane, number in
        let (memory, band) = (cut.memory(lane), cut.lanes.bands.bands[number])
        let arrive = entrance.steps(
          image, band, lane, of: cut.lanes, channels: values, memory.entrance)
        guard !band.ready.isEmpty else { return arrive }
        let value = memory.value.rows(0..<band.ready.count)
        return arrive
          + [convolve(cut.x, band, channels: values, at: 0, from: memory, into: value)]
          + apply(value, cut, image, rows: band.ready, memory)
      })
    ]
  }

  /// The depthwise convolution of the rows that are ready: output channels `channels`, which lie in
  /// the ring from channel `first` on, if not at their own.
  private func convolve(
    _ x: Shape, _ band: RowBands.Band, channels: Range<Int>, at first: Int? = nil,
    from memory: Memory, into target: Piece
  ) -> CompositeStep {
    let first = first ?? channels.lowerBound
    return CompositeStep(
      DepthwiseWindow(rows: band.ready, height: x.h, gated: false),
      [memory.entrance.ring.channels(first..<first + channels.count)]
        + entrance.weights(1, channels: channels), into: target)
  }

  /// The result of some rows from v of these.
  private func apply(
    _ value: Piece, _ cut: Cut, _ image: Int, rows: Range<Int>, _ memory: Memory
  ) -> [CompositeStep] {
    cut.statistics.apply(
      Common.matrix.piece, to: value, rows: rows, projection: entrance.weights(2),
      residual: .input(0).images(image..<image + 1).rows(rows), between: memory.qk,
      into: .output(0).images(image..<image + 1).rows(rows))
  }
}
