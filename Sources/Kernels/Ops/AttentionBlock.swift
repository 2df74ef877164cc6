/// The attention half of a transformer block in bands of rows:
/// `y = x + W_o · attention(dw(W_qkv · norm(x)))`.
///
/// q and k of a band feed the sums over pixels and are gone; v is kept for the whole image, or
/// computed again when the attention matrix is known, which takes the memory of one feature map
/// less and about a third more time. `y` may take the place of `x`.
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

  /// The block.
  /// - Parameters:
  ///   - heads: heads of the attention.
  ///   - normBias: whether the LayerNorm has a bias.
  ///   - bias: whether the convolutions have one.
  ///   - keepsValues: whether v is kept for the whole image.
  ///   - mostSlices: slices of a band's sums over pixels, of all heads together, at most.
  public init(
    heads: Int, normBias: Bool, bias: Bool, keepsValues: Bool, mostSlices: Int = 64
  ) {
    (self.heads, self.keepsValues, self.mostSlices) = (heads, keepsValues, mostSlices)
    entrance = BlockEntrance(normBias: normBias, bias: bias)
  }

  public static var cases: [OpCase] {
    blockShapes.enumerated().flatMap { index, x in
      [true, false].map { keeps in
        let heads = index % 2 + 1
        let op = AttentionBlock(
          heads: heads, normBias: index % 2 == 0, bias: index % 3 == 0, keepsValues: keeps)
        return OpCase(op, op.inputShapes(x))
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
      graph.channelAttention($0, temperature: temperature, heads: heads)
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

  public func intermediates(_ inputs: [Shape], bandElements: Int) -> [Shape] {
    let (x, c) = (inputs[0], inputs[0].c)
    let bands = bands(x, bandElements)
    let products = HeadProducts(
      m: c / heads, heads: heads, images: 1, pixels: bands.rows * x.w, slices: slices(bands, x))
    return entrance.intermediates(x, channels: 3 * c, bands) + [
      Shape(1, 2 * c, bands.readyRows, x.w),
      Shape(1, c, keepsValues ? x.h : bands.readyRows, x.w),
      Shape(1, 1, 1, products.scratch), Shape(c, c, 1, 1),
    ]
  }

  /// Slices of a band's pixels, each with sums of its own.
  private func slices(_ bands: RowBands, _ x: Shape) -> Int {
    max(1, min(mostSlices, bands.rows * x.w / 512) / heads)
  }

  public func steps(_ inputs: [Shape], bandElements: Int) -> [CompositeStep] {
    let x = inputs[0]
    let bands = bands(x, bandElements)
    return (0..<x.n).flatMap { image in
      gather(x, image: image, bands, slices: slices(bands, x))
        + (keepsValues ? applyToKept(image) : applyAgain(x, image: image, bands))
    }
  }

  /// Everything up to the attention matrix.
  private func gather(_ x: Shape, image: Int, _ bands: RowBands, slices: Int) -> [CompositeStep] {
    let c = x.c
    let sums = Memory.sums.piece
    var steps: [CompositeStep] = []
    for (index, band) in bands.bands.enumerated() {
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
      let isFirst = !bands.bands[..<index].contains { !$0.ready.isEmpty }
      steps.append(
        CompositeStep(
          AttentionGram(heads: heads, slices: slices), isFirst ? [qk] : [qk, sums], into: sums))
    }
    steps.append(
      CompositeStep(
        AttentionMatrix(heads: heads, slices: slices),
        [sums, .input(entrance.weightIndex(3)), .input(entrance.weightIndex(2))],
        into: Memory.matrix.piece))
    return steps
  }

  private func applyToKept(_ image: Int) -> [CompositeStep] {
    [
      apply(
        Memory.value.piece, to: .input(0).images(image..<image + 1),
        .output(0).images(image..<image + 1))
    ]
  }

  /// v band by band once more, and the result of each.
  private func applyAgain(_ x: Shape, image: Int, _ bands: RowBands) -> [CompositeStep] {
    let c = x.c
    return bands.bands.flatMap { band -> [CompositeStep] in
      let arrive = entrance.steps(image, band, channels: 2 * c..<3 * c)
      guard !band.ready.isEmpty else { return arrive }
      let value = Memory.value.piece.rows(0..<band.ready.count)
      let source = Piece.input(0).images(image..<image + 1).rows(band.ready)
      let target = Piece.output(0).images(image..<image + 1).rows(band.ready)
      return arrive + [
        convolve(x, band, channels: 2 * c..<3 * c, ring: 0..<c, into: value),
        apply(value, to: source, target),
      ]
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

  private func apply(_ value: Piece, to residual: Piece, _ target: Piece) -> CompositeStep {
    CompositeStep(
      Conv1x1(bias: entrance.bias, residual: true),
      [value, Memory.matrix.piece] + entrance.weights(2).dropFirst() + [residual], into: target)
  }
}
