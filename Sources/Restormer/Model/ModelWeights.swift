import Kernels

/// The values of every parameter of a model, in one contiguous block, and how its data was normalised.
public struct ModelWeights: Sendable {
  /// The network.
  public let model: RestormerModel
  /// All parameters at the offsets of `model.parameters`; the gaps between them are zero.
  public var values: [Float]
  /// How images were normalised in training, to be undone after the network.
  public var normalization: ImageNormalization
  /// Free text pairs that the file carried.
  public var metadata: [String: String]

  /// Weights of `model` with every parameter zero.
  public init(model: RestormerModel, normalization: ImageNormalization = .none) {
    self.model = model
    values = [Float](repeating: 0, count: model.parameterExtent)
    self.normalization = normalization
    metadata = [:]
  }

  /// Reads a weights file and infers the network from names and shapes.
  /// - Throws: `WeightsError` for an unreadable file, `ModelError` (with the path) when the tensors are no
  ///   Restormer: a missing, extra or misshapen tensor, or one that is not finite.
  public init(contentsOf path: String) throws {
    try self.init(StateDict(contentsOf: path), from: path)
  }

  /// Takes the parameters from `state`, which was read from `path`.
  /// - Throws: `ModelError` with the path.
  public init(_ state: StateDict, from path: String) throws {
    do {
      try self.init(state)
    } catch let error as ModelError {
      throw ModelError("\(path): \(error.description)")
    }
  }

  /// Takes the parameters from `state`.
  /// - Throws: `ModelError` as above.
  public init(_ state: StateDict) throws {
    let shapes = Dictionary(state.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
    let model = RestormerModel(try ModelConfiguration(inferredFrom: shapes))
    let normalization = try ImageNormalization(metadata: state.metadata)
    let (means, configuration) = (normalization.mean.count, model.configuration)
    guard configuration.inputChannels % means == 0, configuration.outputChannels % means == 0 else {
      throw ModelError(
        "the metadata normalises \(means) channels, the network takes "
          + "\(configuration.inputChannels) and gives \(configuration.outputChannels)")
    }
    let tensors = Dictionary(state.tensors.map { ($0.name, $0) }) { first, _ in first }
    // Checked before the block is allocated: its size is then that of tensors that really exist.
    try Self.check(tensors, against: model)
    self.init(model: model, normalization: normalization)
    metadata = state.metadata
    for spec in model.parameters {
      guard let tensor = tensors[spec.name] else { continue }
      values.replaceSubrange(spec.offset..<spec.offset + spec.count, with: tensor.values)
    }
  }

  private static func check(
    _ tensors: [String: NamedTensor], against model: RestormerModel
  ) throws {
    for spec in model.parameters {
      guard let tensor = tensors[spec.name] else { throw ModelError("no tensor \(spec.name)") }
      guard tensor.shape == spec.officialShape else {
        throw ModelError(
          "\(spec.name) has shape \(tensor.shape), expected \(spec.officialShape)")
      }
      guard tensor.values.allSatisfy(\.isFinite) else {
        throw ModelError("\(spec.name) holds values that are not finite")
      }
    }
    let known = Set(model.parameters.map(\.name))
    if let extra = tensors.keys.filter({ !known.contains($0) }).min() {
      throw ModelError("tensor \(extra) does not belong to the model")
    }
  }

  /// The parameters under their official names and shapes, in state-dict order.
  public var state: StateDict {
    let tensors = model.parameters.map { spec in
      NamedTensor(
        name: spec.name, shape: spec.officialShape, type: .float32,
        values: Array(values[spec.offset..<spec.offset + spec.count]))
    }
    var metadata = metadata
    metadata.merge(normalization.metadata) { $1 }
    return StateDict(tensors: tensors, metadata: metadata, format: "safetensors")
  }

  /// Fresh parameters as PyTorch initialises them: convolutions uniform in ±1/sqrt(fan in), LayerNorm weights
  /// and temperatures 1, LayerNorm biases 0.
  public static func initialized(_ model: RestormerModel, seed: UInt64) -> ModelWeights {
    var weights = ModelWeights(model: model)
    var generator = SplitMix64(seed: seed)
    var fanIn = 1
    for spec in model.parameters {
      let range = spec.offset..<spec.offset + spec.count
      if spec.officialShape.count == 4 {
        fanIn = spec.officialShape.dropFirst().reduce(1, *)
      }
      let isNorm = spec.name.contains(".body.weight") && spec.officialShape.count == 1
      if isNorm || spec.name.hasSuffix("temperature") {
        for index in range { weights.values[index] = 1 }
      } else if !spec.name.hasSuffix(".body.bias") {
        // A convolution's bias follows its weight and has the same bound.
        let bound = 1 / Float(fanIn).squareRoot()
        for index in range { weights.values[index] = (2 * generator.nextUnit() - 1) * bound }
      }
    }
    return weights
  }
}
