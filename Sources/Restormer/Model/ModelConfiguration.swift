/// What defines a Restormer network (Zamir et al., CVPR 2022, section 3): the constructor arguments
/// of the official implementation.
public struct ModelConfiguration: Hashable, Sendable {
  /// The two LayerNorms of the official implementation.
  public enum Normalization: String, Sendable, CaseIterable {
    /// Centred, with weight and bias.
    case withBias = "WithBias"
    /// Scaled by the deviation but not centred, weight only.
    case biasFree = "BiasFree"
  }

  /// Channels of the input image.
  public var inputChannels = 3
  /// Channels of the output image.
  public var outputChannels = 3
  /// Channels at full resolution; level `l` has `dim << l`.
  public var dim = 48
  /// Transformer blocks of levels 1 to 3 (encoder and decoder each) and of the latent level.
  public var blocks = [4, 6, 6, 8]
  /// Blocks of the refinement stage at full resolution.
  public var refinementBlocks = 4
  /// Attention heads of the four levels.
  public var heads = [1, 2, 4, 8]
  /// Hidden channels of the feed-forward network, as a multiple of the level's channels.
  public var expansion = 2.66
  /// Whether the convolutions inside blocks, channel reductions and the output have a bias.
  public var bias = false
  /// Which LayerNorm the blocks use.
  public var normalization = Normalization.withBias
  /// Defocus deblurring from dual-pixel pairs: 6 channels in, 3 out, a convolved skip instead of
  /// the input residual.
  public var dualPixel = false

  /// Channels beyond this are a mistake, and larger numbers would not even be countable.
  static let largestDim = 4096
  /// Blocks of a level beyond this are a mistake: planning alone would take many minutes.
  static let mostBlocks = 256
  /// The largest factor of the feed-forward networks.
  static let largestExpansion = 16.0

  /// The paper's network.
  public init() {}

  /// The paper's network: 26.1 M parameters.
  public static let paper = ModelConfiguration()

  /// A network to train on a laptop: dim 24, two blocks a level.
  public static var compact: ModelConfiguration {
    var configuration = ModelConfiguration()
    configuration.dim = 24
    configuration.blocks = [2, 2, 2, 2]
    configuration.refinementBlocks = 2
    return configuration
  }

  /// The smallest preset: dim 16, blocks 1, 1, 1, 2.
  public static var tiny: ModelConfiguration {
    var configuration = ModelConfiguration()
    configuration.dim = 16
    configuration.blocks = [1, 1, 1, 2]
    configuration.refinementBlocks = 1
    return configuration
  }

  /// The presets by the name users give.
  public static let presets: [String: ModelConfiguration] = [
    "paper": paper, "compact": compact, "tiny": tiny,
  ]

  /// The network of `preset`'s size for this one's task: channels, LayerNorm and bias stay.
  public func resized(as preset: ModelConfiguration) -> ModelConfiguration {
    var configuration = self
    (configuration.dim, configuration.blocks) = (preset.dim, preset.blocks)
    (configuration.heads, configuration.expansion) = (preset.heads, preset.expansion)
    configuration.refinementBlocks = preset.refinementBlocks
    return configuration
  }

  /// Channels at level 0 to 3.
  public func channels(level: Int) -> Int { dim << level }

  /// Hidden channels of the feed-forward network over `channels`.
  public func hidden(_ channels: Int) -> Int { Int(Double(channels) * expansion) }

  /// The configuration in one line, with the official argument names.
  public var summary: String {
    "inp_channels \(inputChannels), out_channels \(outputChannels), dim \(dim), "
      + "num_blocks \(blocks), num_refinement_blocks \(refinementBlocks), heads \(heads), "
      + "ffn_expansion_factor \(expansion), bias \(bias), "
      + "LayerNorm_type \(normalization.rawValue), dual_pixel_task \(dualPixel)"
  }

  /// What makes the configuration impossible to build, in one line, or nil.
  public var fault: String? {
    if blocks.count != 4 || heads.count != 4 {
      return "num_blocks and heads need four numbers each"
    }
    if !(2...Self.largestDim).contains(dim) || dim % 2 != 0 {
      return "dim is \(dim), expected an even number from 2 to \(Self.largestDim)"
    }
    if let count = (blocks + [refinementBlocks]).first(where: {
      !(0...Self.mostBlocks).contains($0)
    }) {
      return "\(count) blocks of a level, expected 0 to \(Self.mostBlocks)"
    }
    if !(expansion > 0) || expansion > Self.largestExpansion {
      return
        "ffn_expansion_factor is \(expansion), expected above 0, up to \(Self.largestExpansion)"
    }
    for level in 0..<4 where heads[level] < 1 || channels(level: level) % heads[level] != 0 {
      return "heads[\(level)] is \(heads[level]), expected a divisor of \(channels(level: level))"
    }
    if hidden(dim) < 1 { return "ffn_expansion_factor \(expansion) leaves no hidden channel" }
    if !dualPixel && inputChannels != outputChannels {
      return "\(inputChannels) channels in and \(outputChannels) out need dual_pixel_task"
    }
    return nil
  }
}
