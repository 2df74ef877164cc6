import Kernels

/// Restormer (Zamir et al., CVPR 2022) as a recorder of graphs: a four-level encoder-decoder of
/// transformer blocks with channel attention, a refinement stage and a residual to the input.
public struct RestormerModel: Sendable {
  /// The network's definition.
  public let configuration: ModelConfiguration
  /// Every parameter in state-dict order.
  public let parameters: [ParameterSpec]
  /// Elements of the contiguous block that holds all parameters, gaps included.
  public let parameterExtent: Int
  /// Where attention takes its statistics from when images are restored.
  public var statistics = LocalStatistics.Choice.wholeImage

  /// The model of a configuration without `fault`.
  public init(_ configuration: ModelConfiguration) {
    precondition(configuration.fault == nil, "RestormerModel: \(configuration.fault ?? "")")
    self.configuration = configuration
    let recorder = ParameterRecorder(graph: Graph())
    let input = recorder.graph.placeholder(Shape(1, configuration.inputChannels, 8, 8))
    _ = Self.record(configuration, input, recorder, recompute: false)
    parameters = recorder.specs
    parameterExtent = recorder.count
  }

  /// Learned numbers in all.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// Height and width of an input must be multiples of this: three halvings.
  public static let sizeMultiple = 8

  /// What one recording of the network gives.
  public struct Recording {
    /// The graph.
    public let graph: Graph
    /// Placeholder for the image, `[n, inputChannels, h, w]`.
    public let input: Tensor
    /// The restored image, `[n, outputChannels, h, w]`, not clamped.
    public let output: Tensor
    /// Placeholders for the parameters, in the order of `specs`.
    public let parameters: [Tensor]
    /// Names and shapes of the parameters that the recording asks for.
    public let specs: [ParameterSpec]
  }

  /// Records the network for a batch of images of one size.
  /// - Parameters:
  ///   - n: how many.
  ///   - height: a multiple of 8.
  ///   - width: a multiple of 8.
  ///   - recompute: mark every transformer block as a segment that the backward pass records again.
  public func record(n: Int = 1, height: Int, width: Int, recompute: Bool = false) -> Recording {
    precondition(
      height % Self.sizeMultiple == 0 && width % Self.sizeMultiple == 0,
      "RestormerModel: \(width)x\(height) is not a multiple of \(Self.sizeMultiple)")
    let graph = Graph()
    let input = graph.placeholder(Shape(n, configuration.inputChannels, height, width))
    let recorder = ParameterRecorder(graph: graph)
    let output = Self.record(
      configuration, input, recorder, recompute: recompute,
      statistics: statistics.window(in: input.shape))
    return Recording(
      graph: graph, input: input, output: output, parameters: recorder.tensors,
      specs: recorder.specs)
  }

  private static func record(
    _ configuration: ModelConfiguration, _ input: Tensor, _ recorder: ParameterRecorder,
    recompute: Bool, statistics: StatisticsWindow? = nil
  ) -> Tensor {
    Network(
      layers: Layers(
        graph: recorder.graph, configuration: configuration, statistics: statistics),
      root: ParameterScope(recorder), recompute: recompute
    ).forward(input)
  }
}

/// The forward pass (section 3, figure 2 of the paper), in the order of the official constructor.
private struct Network {
  let layers: Layers
  let root: ParameterScope
  let recompute: Bool

  var graph: Graph { layers.graph }
  var configuration: ModelConfiguration { layers.configuration }

  func forward(_ input: Tensor) -> Tensor {
    let embedded = layers.conv3x3(input, configuration.dim, root["patch_embed"]["proj"])
    let encoder1 = stage(embedded, level: 0, "encoder_level1")
    let encoder2 = stage(layers.downsample(encoder1, root["down1_2"]), level: 1, "encoder_level2")
    let encoder3 = stage(layers.downsample(encoder2, root["down2_3"]), level: 2, "encoder_level3")
    let latent = stage(layers.downsample(encoder3, root["down3_4"]), level: 3, "latent")

    let joined3 = join(latent, encoder3, up: "up4_3", reduce: "reduce_chan_level3")
    let decoder3 = stage(joined3, level: 2, "decoder_level3")
    let joined2 = join(decoder3, encoder2, up: "up3_2", reduce: "reduce_chan_level2")
    let decoder2 = stage(joined2, level: 1, "decoder_level2")
    // Level 1 keeps both halves: its decoder and the refinement work on 2 * dim channels.
    let joined1 = graph.concat(layers.upsample(decoder2, root["up2_1"]), encoder1)
    let decoder1 = stage(joined1, level: 0, "decoder_level1")
    let refined = stage(
      decoder1, level: 0, count: configuration.refinementBlocks, "refinement")
    return output(refined, embedded: embedded, input: input)
  }

  private func stage(_ x: Tensor, level: Int, count: Int? = nil, _ name: String) -> Tensor {
    (0..<(count ?? configuration.blocks[level])).reduce(x) { x, index in
      let block = {
        layers.block(x, heads: configuration.heads[level], root[name][index])
      }
      return recompute ? graph.checkpoint(block) : block()
    }
  }

  private func join(_ x: Tensor, _ skip: Tensor, up: String, reduce: String) -> Tensor {
    let joined = graph.concat(layers.upsample(x, root[up]), skip)
    return layers.conv1x1(joined, skip.shape.c, root[reduce])
  }

  private func output(_ refined: Tensor, embedded: Tensor, input: Tensor) -> Tensor {
    guard configuration.dualPixel else {
      return graph.add(head(refined), input)
    }
    return head(
      graph.add(layers.conv1x1(embedded, refined.shape.c, root["skip_conv"]), refined))
  }

  private func head(_ x: Tensor) -> Tensor {
    layers.conv3x3(
      x, configuration.outputChannels, root["output"], bias: configuration.bias)
  }
}
