import Kernels

/// Half of a transformer block, recorded operator by operator.
enum BlockHalf {
  case attention(
    heads: Int, normBias: Bool, bias: Bool, window: (height: Int, width: Int)? = nil)
  case feedForward(normBias: Bool, bias: Bool)

  private var hasNormBias: Bool {
    switch self {
    case .attention(_, let normBias, _, _), .feedForward(let normBias, _): normBias
    }
  }

  private var hasBias: Bool {
    switch self {
    case .attention(_, _, let bias, _), .feedForward(_, let bias): bias
    }
  }

  /// Shapes of the parameters of a half that works on `c` channels, in the order in which `record`
  /// takes them.
  func parameterShapes(_ c: Int) -> [Shape] {
    let k = 2 * c + 1
    let weights =
      switch self {
      case .attention: [Shape(3 * c, c, 1, 1), Shape(3 * c, 1, 3, 3), Shape(c, c, 1, 1)]
      case .feedForward: [Shape(2 * k, c, 1, 1), Shape(2 * k, 1, 3, 3), Shape(c, k, 1, 1)]
      }
    let norm = [Shape.vector(c)] + (hasNormBias ? [.vector(c)] : [])
    let products = weights.flatMap { [$0] + (hasBias ? [.vector($0.n)] : []) }
    guard case .attention(let heads, _, _, _) = self else { return norm + products }
    return norm + products + [.vector(heads)]
  }

  /// Records the half of `x` with its residual.
  func record(_ graph: Graph, _ x: Tensor, _ parameters: [Tensor]) -> Tensor {
    var left = parameters[...]
    func weights(_ bias: Bool) -> (weight: Tensor, bias: Tensor?) {
      (left.removeFirst(), bias ? left.removeFirst() : nil)
    }
    let (gamma, beta) = weights(hasNormBias)
    let norm = graph.layerNorm(x, weight: gamma, bias: beta)
    let (input, inputBias) = weights(hasBias)
    let wide = graph.conv1x1(norm, weight: input, bias: inputBias)
    let (taps, tapsBias) = weights(hasBias)
    let convolved = graph.depthwiseConv(wide, weight: taps, bias: tapsBias)
    let (output, outputBias) = weights(hasBias)
    let inner =
      switch self {
      case .attention(let heads, _, _, nil):
        graph.channelAttention(convolved, temperature: left.removeFirst(), heads: heads)
      case .attention(let heads, _, _, let window?):
        graph.localAttention(
          convolved, temperature: left.removeFirst(), heads: heads, window: window)
      case .feedForward: graph.geluGate(convolved)
      }
    return graph.add(graph.conv1x1(inner, weight: output, bias: outputBias), x)
  }
}
