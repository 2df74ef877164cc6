import Kernels

/// The building blocks of Restormer as functions of a parameter scope; names and order of the parameters
/// are those of the official state dict. `x` is `[n, c, h, w]` throughout.
struct Layers {
  let graph: Graph
  let configuration: ModelConfiguration

  /// 1x1 convolution: `y[o] = sum_i W[o, i] x[i] (+ b[o]) (+ residual[o])` at every pixel.
  func conv1x1(
    _ x: Tensor, _ channels: Int, _ scope: ParameterScope, residual: Tensor? = nil
  ) -> Tensor {
    let weight = scope.weight([channels, x.shape.c, 1, 1])
    let bias = scope.bias(channels, if: configuration.bias)
    return graph.conv1x1(x, weight: weight, bias: bias, residual: residual)
  }

  /// 3x3 convolution with zero padding.
  func conv3x3(_ x: Tensor, _ channels: Int, _ scope: ParameterScope, bias: Bool = false) -> Tensor
  {
    let weight = scope.weight([channels, x.shape.c, 3, 3])
    return graph.conv3x3(x, weight: weight, bias: scope.bias(channels, if: bias))
  }

  /// Depthwise 3x3 convolution with zero padding.
  func depthwise(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let weight = scope.weight([x.shape.c, 1, 3, 3])
    let bias = scope.bias(x.shape.c, if: configuration.bias)
    return graph.depthwiseConv(x, weight: weight, bias: bias)
  }

  /// LayerNorm over the channels of each pixel.
  func layerNorm(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let body = scope["body"]
    let weight = body.weight([x.shape.c])
    let bias = body.bias(x.shape.c, if: configuration.normalization == .withBias)
    return graph.layerNorm(x, weight: weight, bias: bias)
  }

  /// Multi-Dconv head transposed attention (section 3.1): `x + W_o · attention(dw(W_qkv · norm))`.
  func attention(_ norm: Tensor, residual x: Tensor, heads: Int, _ scope: ParameterScope) -> Tensor
  {
    let temperature = scope.parameter("temperature", [heads, 1, 1])
    let qkv = depthwise(conv1x1(norm, 3 * norm.shape.c, scope["qkv"]), scope["qkv_dwconv"])
    let attended = graph.channelAttention(qkv, temperature: temperature, heads: heads)
    return conv1x1(attended, x.shape.c, scope["project_out"], residual: x)
  }

  /// Gated-Dconv feed-forward network (section 3.2): `x + W_o · (gelu(a) * b)`, `[a, b] = dw(W_in · norm)`.
  func feedForward(_ norm: Tensor, residual x: Tensor, _ scope: ParameterScope) -> Tensor {
    let hidden = configuration.hidden(norm.shape.c)
    let both = depthwise(conv1x1(norm, 2 * hidden, scope["project_in"]), scope["dwconv"])
    return conv1x1(graph.geluGate(both), x.shape.c, scope["project_out"], residual: x)
  }

  /// A transformer block: attention, then feed-forward, each on a normalised input with a residual.
  func block(_ x: Tensor, heads: Int, _ scope: ParameterScope) -> Tensor {
    let attended = attention(
      layerNorm(x, scope["norm1"]), residual: x, heads: heads, scope["attn"])
    return feedForward(layerNorm(attended, scope["norm2"]), residual: attended, scope["ffn"])
  }

  /// Half the size, twice the channels: 3x3 convolution to `c / 2`, then pixel-unshuffle.
  func downsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    graph.pixelUnshuffle(conv3x3(x, x.shape.c / 2, scope["body"][0]))
  }

  /// Twice the size, half the channels: 3x3 convolution to `2 c`, then pixel-shuffle.
  func upsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    graph.pixelShuffle(conv3x3(x, 2 * x.shape.c, scope["body"][0]))
  }
}
