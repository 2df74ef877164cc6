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

  private enum Memory: Int {
    case qk, value, sums, matrix
    var piece: Piece { .intermediate(BlockEntrance.intermediateCount + rawValue) }
  }

  private func bands(_ x: Shape, _ elements: Int) -> RowBands {
    RowBands(height: x.h, width: x.w, pixels: elements / (3 * x.c))
  }

  private func statistics(_ bands: RowBands, _ x: Shape) -> BlockStatistics {
    BlockStatistics(
      x, heads: heads, window: window, bandPixels: bands.rows * x.w, mostSlices: mostSlices)
  }

  public func intermediates(_ inputs: [Shape], bandElements: Int) -> [Shape] {
    let (x, c) = (inputs[0], inputs[0].c)
    let bands = bands(x, bandElements)
    let statistics = statistics(bands, x)
    return entrance.intermediates(x, channels: 3 * c, bands) + [
      Shape(1, 2 * c, bands.readyRows, x.w),
      Shape(1, c, keepsValues ? x.h : bands.readyRows, x.w),
      statistics.sums, statistics.matrix,
    ]
  }

  public func steps(_ inputs: [Shape], bandElements: Int) -> [CompositeStep] {
    let x = inputs[0]
    let bands = bands(x, bandElements)
    let statistics = statistics(bands, x)
    return (0..<x.n).flatMap { image in
      gather(x, image: image, bands, statistics)
        + (keepsValues
          ? applyToKept(x, image: image, bands, statistics)
          : applyAgain(x, image: image, bands, statistics))
    }
  }

  /// Everything up to the attention matrix.
  private func gather(
    _ x: Shape, image: Int, _ bands: RowBands, _ statistics: BlockStatistics
  ) -> [CompositeStep] {
    let c = x.c
    let sums = Memory.sums.piece
    var steps: [CompositeStep] = []
    for band in bands.bands {
      steps += entrance.steps(image, band)
      guard !band.ready.isEmpty else { continue }
      let qk = Memory.qk.piece.rows(0..<band.ready.count)
      steps.append(convolve(x, band, channels: 0..<2 * c, ring: 0..<2 * c, into: qk))
      if keepsValues {
        steps.append(
          convolve(
            x, band, channels: 2 * c..<3 * c, ring: 2 * c..<3 * c,
            into: Memory.value.piece.rows(band.ready)))
      }
      steps.append(statistics.add(qk, rows: band.ready, to: sums))
    }
    steps.append(
      statistics.matrix(
        of: sums, temperature: .input(entrance.weightIndex(3)),
        projection: .input(entrance.weightIndex(2)), into: Memory.matrix.piece))
    return steps
  }

  /// At once, or band by band where heads and projection are applied apart.
  private func applyToKept(
    _ x: Shape, image: Int, _ bands: RowBands, _ statistics: BlockStatistics
  ) -> [CompositeStep] {
    let parts = statistics.isOneProduct ? [0..<x.h] : bands.bands.map(\.ready)
    return parts.filter { !$0.isEmpty }.flatMap { rows in
      apply(Memory.value.piece.rows(rows), image: image, rows: rows, statistics)
    }
  }

  /// v band by band once more, and the result of each.
  private func applyAgain(
    _ x: Shape, image: Int, _ bands: RowBands, _ statistics: BlockStatistics
  ) -> [CompositeStep] {
    let c = x.c
    return bands.bands.flatMap { band -> [CompositeStep] in
      let arrive = entrance.steps(image, band, channels: 2 * c..<3 * c)
      guard !band.ready.isEmpty else { return arrive }
      let value = Memory.value.piece.rows(0..<band.ready.count)
      return arrive
        + [convolve(x, band, channels: 2 * c..<3 * c, ring: 0..<c, into: value)]
        + apply(value, image: image, rows: band.ready, statistics)
    }
  }

  /// The depthwise convolution of the rows that are ready: output channels `channels`, which lie in
  /// the ring at `ring`.
  private func convolve(
    _ x: Shape, _ band: RowBands.Band, channels: Range<Int>, ring: Range<Int>, into target: Piece
  ) -> CompositeStep {
    CompositeStep(
      DepthwiseWindow(rows: band.ready, height: x.h, gated: false),
      [BlockEntrance.ring.channels(ring)] + entrance.weights(1, channels: channels), into: target)
  }

  /// The result of some rows from v of these.
  private func apply(
    _ value: Piece, image: Int, rows: Range<Int>, _ statistics: BlockStatistics
  ) -> [CompositeStep] {
    statistics.apply(
      Memory.matrix.piece, to: value, rows: rows,
      projection: entrance.weights(2), residual: .input(0).images(image..<image + 1).rows(rows),
      between: Memory.qk.piece, into: .output(0).images(image..<image + 1).rows(rows))
  }
}
