import ProtocolBuffers

/// Restormer's forward pass (see `RestormerModel`) in ONNX's operators; heights and widths are left
/// open.
struct ONNXNetwork {
  typealias Value = ONNXGraph.Value

  private let weights: ModelWeights
  private let specs: [String: ParameterSpec]
  private(set) var graph: ONNXGraph

  private var configuration: ModelConfiguration { weights.model.configuration }

  /// Records the network with `weights`: from `input`, values in [0, 1], to `output`.
  init(_ weights: ModelWeights, externalFile: String?) {
    self.weights = weights
    specs = Dictionary(uniqueKeysWithValues: weights.model.parameters.map { ($0.name, $0) })
    graph = ONNXGraph(externalFile: externalFile)
    graph.finish(denormalized(forward(normalized("input"))), as: "output")
  }

  private mutating func forward(_ input: Value) -> Value {
    let embedded = convolution(input, "patch_embed.proj", kernel: 3)
    let encoder1 = stage(embedded, 0, configuration.blocks[0], "encoder_level1")
    let encoder2 = stage(
      downsample(encoder1, "down1_2", level: 0), 1, configuration.blocks[1], "encoder_level2")
    let encoder3 = stage(
      downsample(encoder2, "down2_3", level: 1), 2, configuration.blocks[2], "encoder_level3")
    let latent = stage(
      downsample(encoder3, "down3_4", level: 2), 3, configuration.blocks[3], "latent")
    let joined3 = join(latent, encoder3, up: "up4_3")
    let decoder3 = stage(
      convolution(joined3, "reduce_chan_level3"), 2, configuration.blocks[2], "decoder_level3")
    let joined2 = join(decoder3, encoder2, up: "up3_2")
    let decoder2 = stage(
      convolution(joined2, "reduce_chan_level2"), 1, configuration.blocks[1], "decoder_level2")
    let joined1 = join(decoder2, encoder1, up: "up2_1")
    let decoder1 = stage(joined1, 0, configuration.blocks[0], "decoder_level1")
    let refined = stage(decoder1, 0, configuration.refinementBlocks, "refinement")
    guard configuration.dualPixel else {
      return add(convolution(refined, "output", kernel: 3), input)
    }
    return convolution(add(refined, convolution(embedded, "skip_conv")), "output", kernel: 3)
  }

  private mutating func stage(_ x: Value, _ level: Int, _ count: Int, _ name: String) -> Value {
    var x = x
    for index in 0..<count {
      let scope = "\(name).\(index)"
      x = add(
        x,
        attention(
          layerNorm(x, scope + ".norm1"), heads: configuration.heads[level], scope + ".attn"))
      x = add(x, feedForward(layerNorm(x, scope + ".norm2"), scope + ".ffn"))
    }
    return x
  }

  /// Over the channels of each pixel; the form without bias is not centred.
  private mutating func layerNorm(_ x: Value, _ scope: String) -> Value {
    let channels = graph.integers([1])
    let centred = apply("Sub", [x, apply("ReduceMean", [x, channels])])
    let variance = apply("ReduceMean", [apply("Mul", [centred, centred]), channels])
    let deviation = apply("Sqrt", [apply("Add", [variance, graph.scalar(1e-5)])])
    let isCentred = configuration.normalization == .withBias
    let scaled = apply(
      "Mul", [apply("Div", [isCentred ? centred : x, deviation]), vector(scope + ".body.weight")])
    return isCentred ? apply("Add", [scaled, vector(scope + ".body.bias")]) : scaled
  }

  /// `W_o · softmax(q kᵀ · temperature) v`, q and k of unit length over the pixels.
  private mutating func attention(_ x: Value, heads: Int, _ scope: String) -> Value {
    let channels = shape(scope + ".project_out.weight")[0]
    let qkv = convolution(
      convolution(x, scope + ".qkv"), scope + ".qkv_dwconv", kernel: 3, groups: 3 * channels)
    let split = graph.integers([Int64](repeating: Int64(channels), count: 3))
    let parts = graph.apply("Split", [qkv, split], [.integer("axis", 1)], outputs: 3)
    let form = graph.integers([0, Int64(heads), Int64(channels / heads), -1])
    let rows = parts.map { apply("Reshape", [$0, form]) }
    let turned = apply("Transpose", [unit(rows[1])], [.integers("perm", [0, 1, 3, 2])])
    let temperature = parameter(scope + ".temperature")
    let scores = apply("Mul", [apply("MatMul", [unit(rows[0]), turned]), temperature])
    let shares = apply("Softmax", [scores], [.integer("axis", 3)])
    let mixed = apply("MatMul", [shares, rows[2]])
    return convolution(
      apply("Reshape", [mixed, apply("Shape", [parts[2]])]), scope + ".project_out")
  }

  private mutating func unit(_ x: Value) -> Value {
    let norm = apply("ReduceL2", [x, graph.integers([3])])
    return apply("Div", [x, apply("Max", [norm, graph.scalar(1e-12)])])
  }

  /// `W_o · (gelu(a) * b)`, `[a, b] = dw(W_in · x)`, with the exact GELU.
  private mutating func feedForward(_ x: Value, _ scope: String) -> Value {
    let hidden = shape(scope + ".project_out.weight")[1]
    let both = convolution(
      convolution(x, scope + ".project_in"), scope + ".dwconv", kernel: 3, groups: 2 * hidden)
    let split = graph.integers([Int64(hidden), Int64(hidden)])
    let parts = graph.apply("Split", [both, split], [.integer("axis", 1)], outputs: 2)
    let erf = apply("Erf", [apply("Mul", [parts[0], graph.scalar(Float(0.5).squareRoot())])])
    let half = apply("Mul", [parts[0], graph.scalar(0.5)])
    let gelu = apply("Mul", [half, apply("Add", [erf, graph.scalar(1)])])
    return convolution(apply("Mul", [gelu, parts[1]]), scope + ".project_out")
  }

  /// Convolution, then 2x2 pixels become channels: PyTorch counts the channels outermost, ONNX
  /// innermost.
  private mutating func downsample(_ x: Value, _ scope: String, level: Int) -> Value {
    let y = convolution(x, scope + ".body.0", kernel: 3)
    let channels = Int64(shape(scope + ".body.0.weight")[0])
    let packed = apply("SpaceToDepth", [y], [.integer("blocksize", 2)])
    let order = (0..<channels).flatMap { channel in (0..<4).map { $0 * channels + channel } }
    return apply("Gather", [packed, graph.integers(order)], [.integer("axis", 1)])
  }

  private mutating func join(_ x: Value, _ skip: Value, up scope: String) -> Value {
    let y = convolution(x, scope + ".body.0", kernel: 3)
    let grown = apply("DepthToSpace", [y], [.integer("blocksize", 2), .text("mode", "CRD")])
    return apply("Concat", [grown, skip], [.integer("axis", 1)])
  }

  private mutating func convolution(
    _ x: Value, _ scope: String, kernel: Int = 1, groups: Int = 1
  ) -> Value {
    let bias = specs[scope + ".bias"] == nil ? [] : [parameter(scope + ".bias")]
    let margin = kernel / 2
    return apply(
      "Conv", [x, parameter(scope + ".weight")] + bias,
      [
        .integers("kernel_shape", [kernel, kernel]), .integer("group", groups),
        .integers("pads", [margin, margin, margin, margin]),
      ])
  }

  private mutating func add(_ a: Value, _ b: Value) -> Value { apply("Add", [a, b]) }

  private mutating func apply(
    _ operation: String, _ inputs: [Value], _ attributes: [ONNXAttributeProto] = []
  ) -> Value {
    graph.apply(operation, inputs, attributes)[0]
  }

  private func shape(_ name: String) -> [Int] { specs[name]?.officialShape ?? [] }

  private mutating func parameter(_ name: String) -> Value {
    guard let spec = specs[name] else { preconditionFailure("ONNXNetwork: no parameter \(name)") }
    return parameter(name, spec.officialShape)
  }

  /// A number for each channel.
  private mutating func vector(_ name: String) -> Value {
    parameter(name, [shape(name)[0], 1, 1])
  }

  private mutating func parameter(_ name: String, _ shape: [Int]) -> Value {
    guard let spec = specs[name] else { preconditionFailure("ONNXNetwork: no parameter \(name)") }
    return graph.parameter(
      name, shape, weights.values[spec.offset..<spec.offset + spec.count])
  }

  private mutating func normalized(_ x: Value) -> Value {
    guard weights.normalization != .none else { return x }
    let (mean, std) = normalization(configuration.inputChannels, "input")
    return apply("Div", [apply("Sub", [x, mean]), std])
  }

  private mutating func denormalized(_ x: Value) -> Value {
    guard weights.normalization != .none else { return x }
    let (mean, std) = normalization(configuration.outputChannels, "output")
    return apply("Add", [apply("Mul", [x, std]), mean])
  }

  private mutating func normalization(_ channels: Int, _ name: String) -> (mean: Value, std: Value)
  {
    func numbers(_ values: [Float]) -> ArraySlice<Float> {
      (0..<channels).map { values[$0 % values.count] }[...]
    }
    let (mean, std) = (weights.normalization.mean, weights.normalization.std)
    return (
      graph.parameter(name + ".mean", [channels, 1, 1], numbers(mean)),
      graph.parameter(name + ".std", [channels, 1, 1], numbers(std))
    )
  }
}
