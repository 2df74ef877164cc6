/// The feed-forward half of a transformer block in bands of rows: `y = x + W_out · (gelu(a) * b)`,
/// `[a, b] = dw(W_in · norm(x))`.
///
/// Of the wide tensors in between only a few rows exist at a time. `y` may take the place of `x`.
///
/// Inputs: `x` `[n, c, h, w]`; weight and perhaps bias of the LayerNorm; `W_in` `[2 k, c, 1, 1]`,
/// the depthwise kernel `[2 k, 1, 3, 3]` and `W_out` `[c, k, 1, 1]`, each followed by its bias if
/// there are any. Output: as `x`.
///
/// The hidden tensor, five times as wide as `x`, exists for one band only; the ring of rows saves
/// computing the neighbours of a band twice.
package struct FeedForwardBlock: CompositeOp {
  public static let name = "FeedForwardBlock"
  public static let section = "DepthwiseConv"
  public static let tuning = TuningSpace.bands
  package var storesHalf = false
  private let entrance: BlockEntrance

  /// The block.
  /// - Parameters:
  ///   - normBias: whether the LayerNorm has a bias.
  ///   - bias: whether the convolutions have one.
  public init(normBias: Bool, bias: Bool) {
    entrance = BlockEntrance(normBias: normBias, bias: bias)
  }

  public static var cases: [OpCase] {
    blockShapes.enumerated().map { index, x in
      let op = FeedForwardBlock(normBias: index % 2 == 0, bias: index % 3 == 0)
      return OpCase(op, op.inputShapes(x, hidden: 2 * x.c + 1))
    }
  }

  private func inputShapes(_ x: Shape, hidden: Int) -> [Shape] {
    entrance.inputShapes(
      x,
      weights: [
        Shape(2 * hidden, x.c, 1, 1), Shape(2 * hidden, 1, 3, 3), Shape(x.c, hidden, 1, 1),
      ])
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs == inputShapes(inputs[0], hidden: hidden(inputs)), "FeedForwardBlock: \(inputs)")
    return [inputs[0]]
  }

  private func hidden(_ inputs: [Shape]) -> Int { inputs[entrance.weightIndex(0)].n / 2 }

  package func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor {
    entrance.composition(graph, inputs, middle: graph.geluGate)
  }

  public var aliasing: Aliasing { .inPlace }

  private func lanes(_ inputs: [Shape], _ sizes: BandSizes) -> BandLanes {
    BandLanes(inputs[0], channels: 2 * hidden(inputs), sizes)
  }

  /// A lane's intermediates, of which the last are the gated rows.
  private func memory(_ lane: Int, of lanes: BandLanes) -> BlockEntrance.Memory {
    BlockEntrance.Memory(lane, of: lanes, own: 1)
  }

  package func intermediates(_ inputs: [Shape], _ sizes: BandSizes) -> [Shape] {
    let (x, k) = (inputs[0], hidden(inputs))
    let lanes = lanes(inputs, sizes)
    return (0..<lanes.count).flatMap { _ in
      entrance.intermediates(x, channels: 2 * k, lanes)
        + [Shape(1, k, lanes.bands.readyRows, x.w)]
    }
  }

  package func phases(_ inputs: [Shape], _ sizes: BandSizes) -> [CompositePhase] {
    let x = inputs[0]
    let lanes = lanes(inputs, sizes)
    return (0..<x.n).flatMap { image in
      [
        lanes.phase { entrance.prepare(x, image, $0, of: lanes, memory($0, of: lanes)) },
        lanes.phase(bands: { lane, number in
          let (memory, band) = (memory(lane, of: lanes), lanes.bands.bands[number])
          return entrance.steps(image, band, lane, of: lanes, memory)
            + (band.ready.isEmpty ? [] : finish(x, image, band, memory))
        }),
      ]
    }
  }

  /// Gate and second 1x1 convolution of the rows that are ready.
  private func finish(
    _ x: Shape, _ image: Int, _ band: RowBands.Band, _ memory: BlockEntrance.Memory
  ) -> [CompositeStep] {
    let gated = Piece.intermediate(memory.end).rows(0..<band.ready.count)
    return [
      CompositeStep(
        DepthwiseWindow(rows: band.ready, height: x.h, gated: true),
        [memory.ring] + entrance.weights(1), into: gated),
      CompositeStep(
        Conv1x1(bias: entrance.bias, residual: true),
        [gated] + entrance.weights(2) + [.input(0).images(image..<image + 1).rows(band.ready)],
        into: .output(0).images(image..<image + 1).rows(band.ready)),
    ]
  }
}
