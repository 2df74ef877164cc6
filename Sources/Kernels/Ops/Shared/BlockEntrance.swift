/// What both halves of a transformer block begin with: LayerNorm and a 1x1 convolution of the rows
/// that arrive in a band, whose results lie in a ring of rows.
///
/// It takes the block's first four intermediates. The block's inputs are `x`, the LayerNorm's
/// parameters, and those of three convolutions, of which this is the first.
struct BlockEntrance {
  /// Whether the LayerNorm has a bias.
  let normBias: Bool
  /// Whether the convolutions have one.
  let bias: Bool

  private enum Memory {
    static let (norm, mean, deviation) = (
      Piece.intermediate(0), Piece.intermediate(1), Piece.intermediate(2)
    )
  }

  /// The rows of the convolution's result that a band still needs.
  static let ring = Piece.intermediate(3)

  /// The number of the block's first intermediate of its own.
  static let intermediateCount = 4

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

  /// Shapes of the first four intermediates, for bands of `x` and a convolution to `channels`
  /// channels.
  func intermediates(_ x: Shape, channels: Int, _ bands: RowBands) -> [Shape] {
    [
      Shape(1, x.c, bands.rows, x.w), Shape(1, 1, bands.rows, x.w), Shape(1, 1, bands.rows, x.w),
      Shape(1, channels, bands.slots, x.w),
    ]
  }

  /// The rows that arrive in `band`; of the convolution some output channels, which go to the start
  /// of the ring, or all.
  func steps(_ image: Int, _ band: RowBands.Band, channels: Range<Int>? = nil) -> [CompositeStep] {
    let rows = 0..<band.rows.count
    let norm = Memory.norm.rows(rows)
    var ring = Self.ring.rows(band.slots)
    ring.channels = channels.map { 0..<$0.count }
    return [
      CompositeStep(
        LayerNorm(bias: normBias),
        [.input(0).images(image..<image + 1).rows(band.rows), .input(1)]
          + (normBias ? [.input(2)] : []), into: norm, Memory.mean.rows(rows),
        Memory.deviation.rows(rows)),
      CompositeStep(Conv1x1(bias: bias), [norm] + weights(0, channels: channels), into: ring),
    ]
  }
}
