import Kernels

/// How a recorded network is carried out.
public enum Execution: Sendable, Hashable {
  /// Operator by operator over whole images: has gradients.
  case differentiable
  /// In bands of rows, in the memory of about two feature maps: the image, and v of the attention; of about one when
  /// `keepsValues` is false and v is computed twice. Only for inference.
  case banded(keepsValues: Bool)
}

/// The building blocks of Restormer as functions of a parameter scope; names and order of the parameters
/// are those of the official state dict. `x` is `[n, c, h, w]` throughout.
package struct Layers {
  package let graph: Graph
  package let configuration: ModelConfiguration
  package let execution: Execution

  package init(
    graph: Graph, configuration: ModelConfiguration, execution: Execution = .differentiable
  ) {
    (self.graph, self.configuration, self.execution) = (graph, configuration, execution)
  }

  /// 1x1 convolution: `y[o] = sum_i W[o, i] x[i] (+ b[o]) (+ residual[o])` at every pixel.
  package func conv1x1(
    _ x: Tensor, _ channels: Int, _ scope: ParameterScope, residual: Tensor? = nil
  ) -> Tensor {
    let parameters = convolution([channels, x.shape.c, 1, 1], scope)
    return graph.conv1x1(
      x, weight: parameters[0], bias: parameters.dropFirst().first, residual: residual)
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
    let parameters = convolution([x.shape.c, 1, 3, 3], scope)
    return graph.depthwiseConv(x, weight: parameters[0], bias: parameters.dropFirst().first)
  }

  /// LayerNorm over the channels of each pixel.
  package func layerNorm(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    let parameters = normParameters(x.shape.c, scope)
    return graph.layerNorm(x, weight: parameters[0], bias: parameters.dropFirst().first)
  }

  /// Multi-Dconv head transposed attention (section 3.1): `x + W_o · attention(dw(W_qkv · norm))`.
  package func attention(_ norm: Tensor, residual: Tensor?, heads: Int, _ scope: ParameterScope)
    -> Tensor
  {
    let temperature = scope.parameter("temperature", [heads, 1, 1])
    let qkv = depthwise(conv1x1(norm, 3 * norm.shape.c, scope["qkv"]), scope["qkv_dwconv"])
    let attended = graph.channelAttention(qkv, temperature: temperature, heads: heads)
    return conv1x1(attended, norm.shape.c, scope["project_out"], residual: residual)
  }

  /// Gated-Dconv feed-forward network (section 3.2): `x + W_o · (gelu(a) * b)`, `[a, b] = dw(W_in · norm)`.
  package func feedForward(_ norm: Tensor, residual: Tensor?, _ scope: ParameterScope) -> Tensor {
    let hidden = configuration.hidden(norm.shape.c)
    let both = conv1x1(norm, 2 * hidden, scope["project_in"])
    let parameters = convolution([2 * hidden, 1, 3, 3], scope["dwconv"])
    let gated = graph.depthwiseGate(
      both, weight: parameters[0], bias: parameters.dropFirst().first)
    return conv1x1(gated, norm.shape.c, scope["project_out"], residual: residual)
  }

  /// A transformer block: attention, then feed-forward, each on a normalised input with a residual.
  package func block(_ x: Tensor, heads: Int, _ scope: ParameterScope) -> Tensor {
    if case .banded(let keepsValues) = execution {
      return bandedBlock(x, heads: heads, keepsValues: keepsValues, scope)
    }
    let attended = attention(
      layerNorm(x, scope["norm1"]), residual: x, heads: heads, scope["attn"])
    return feedForward(layerNorm(attended, scope["norm2"]), residual: attended, scope["ffn"])
  }

  /// The same block in bands of rows.
  private func bandedBlock(_ x: Tensor, heads: Int, keepsValues: Bool, _ scope: ParameterScope)
    -> Tensor
  {
    let c = x.shape.c
    let hidden = configuration.hidden(c)
    let (attention, feedForward) = (scope["attn"], scope["ffn"])
    let norm1 = normParameters(c, scope["norm1"])
    let temperature = attention.parameter("temperature", [heads, 1, 1])
    let attended = graph.attentionBlock(
      x, norm: norm1, qkv: convolution([3 * c, c, 1, 1], attention["qkv"]),
      depthwise: convolution([3 * c, 1, 3, 3], attention["qkv_dwconv"]),
      output: convolution([c, c, 1, 1], attention["project_out"]), temperature: temperature,
      keepsValues: keepsValues)
    return graph.feedForwardBlock(
      attended, norm: normParameters(c, scope["norm2"]),
      input: convolution([2 * hidden, c, 1, 1], feedForward["project_in"]),
      depthwise: convolution([2 * hidden, 1, 3, 3], feedForward["dwconv"]),
      output: convolution([c, hidden, 1, 1], feedForward["project_out"]))
  }

  /// Weight and perhaps bias of a convolution.
  private func convolution(_ shape: [Int], _ scope: ParameterScope) -> [Tensor] {
    let weight = scope.weight(shape)
    return [weight] + [scope.bias(shape[0], if: configuration.bias)].compactMap { $0 }
  }

  /// Weight and perhaps bias of a LayerNorm over `channels`.
  private func normParameters(_ channels: Int, _ scope: ParameterScope) -> [Tensor] {
    let body = scope["body"]
    let weight = body.weight([channels])
    return [weight]
      + [body.bias(channels, if: configuration.normalization == .withBias)].compactMap { $0 }
  }

  /// Half the size, twice the channels: 3x3 convolution to `c / 2`, then pixel-unshuffle.
  package func downsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    graph.pixelUnshuffle(conv3x3(x, x.shape.c / 2, scope["body"][0]))
  }

  /// Twice the size, half the channels: 3x3 convolution to `2 c`, then pixel-shuffle.
  package func upsample(_ x: Tensor, _ scope: ParameterScope) -> Tensor {
    if case .banded = execution {
      return graph.upsampleConv(
        x, weight: scope["body"][0].weight([2 * x.shape.c, x.shape.c, 3, 3]))
    }
    return graph.pixelShuffle(conv3x3(x, 2 * x.shape.c, scope["body"][0]))
  }
}
