import Kernels

/// The building blocks of Restormer as functions of a parameter scope; names and order of the
/// parameters are those of the official state dict. `x` is `[n, c, h, w]` throughout.
package struct Layers {
  package let graph: Graph
  package let configuration: ModelConfiguration
  /// Where the network takes its statistics from; over the whole image by default.
  private let statistics: StatisticsWindow?

  package init(
    graph: Graph, configuration: ModelConfiguration, statistics: StatisticsWindow? = nil
  ) {
    (self.graph, self.configuration, self.statistics) = (graph, configuration, statistics)
  }

  /// 1x1 convolution: `y[o] = sum_i W[o, i] x[i] (+ b[o])` at every pixel.
  package func conv1x1(_ x: Tensor, _ channels: Int, _ scope: ParameterScope) -> Tensor {
    let weight = scope.weight([channels, x.shape.c, 1, 1])
    return graph.conv1x1(x, weight: weight, bias: scope.bias(channels, if: configuration.bias))
  }

  /// 3x3 convolution with zero padding.
  package func conv3x3(_ x: Tensor, _ channels: Int, _ scope: ParameterScope, bias: Bool = false)
    -> Tensor
  {
    let weight = scope.weight([channels, x.shape.c, 3, 3])
    return graph.conv3x3(x, weight: weight, bias: scope.bias(channels, if: bias))
  }

  /// Depthwise 3x3 convolution with zero padding.
  package func depthwise(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let weight = scope.weight([x.shape.c, 1, 3, 3])
    return graph.depthwiseConv(
      x, weight: weight, bias: scope.bias(x.shape.c, if: configuration.bias))
  }

  /// LayerNorm over the channels of each pixel.
  package func layerNorm(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let weight = scope["body"].weight([x.shape.c])
    let isCentred = configuration.normalization == .withBias
    return graph.layerNorm(
      x, weight: weight, bias: scope["body"].bias(x.shape.c, if: isCentred))
  }

  /// Multi-Dconv head transposed attention (section 3.1): `W_o · attention(dw(W_qkv · x))`.
  package func attention(_ x: Tensor, heads: Int, _ scope: ParameterScope) -> Tensor {
    let temperature = scope.parameter("temperature", [heads, 1, 1])
    let qkv = depthwise(conv1x1(x, 3 * x.shape.c, scope["qkv"]), scope["qkv_dwconv"])
    let attended =
      if let window = statistics?.window(in: x.shape) {
        graph.localAttention(qkv, temperature: temperature, heads: heads, window: window)
      } else {
        graph.channelAttention(qkv, temperature: temperature, heads: heads)
      }
    return conv1x1(attended, x.shape.c, scope["project_out"])
  }

  /// Gated-Dconv feed-forward network (section 3.2): `W_o · (gelu(a) * b)`,
  /// `[a, b] = dw(W_in · x)`.
  package func feedForward(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let hidden = configuration.hidden(x.shape.c)
    let both = depthwise(conv1x1(x, 2 * hidden, scope["project_in"]), scope["dwconv"])
    return conv1x1(graph.geluGate(both), x.shape.c, scope["project_out"])
  }

  /// A transformer block: attention, then feed-forward, each on a normalised input with a residual.
  package func block(_ x: Tensor, heads: Int, _ scope: ParameterScope) -> Tensor {
    let y = graph.add(attention(layerNorm(x, scope["norm1"]), heads: heads, scope["attn"]), x)
    return graph.add(feedForward(layerNorm(y, scope["norm2"]), scope["ffn"]), y)
  }

  /// Half the size, twice the channels: 3x3 convolution to `c / 2`, then pixel-unshuffle.
  package func downsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    graph.pixelUnshuffle(conv3x3(x, x.shape.c / 2, scope["body"][0]))
  }

  /// Twice the size, half the channels: 3x3 convolution to `2 c`, then pixel-shuffle.
  package func upsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    graph.pixelShuffle(conv3x3(x, 2 * x.shape.c, scope["body"][0]))
  }
}
