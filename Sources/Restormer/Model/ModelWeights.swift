import Basics
import Kernels

/// The values of every parameter of a model, in one contiguous block, and how its data was
/// normalised.
public struct ModelWeights: Sendable {
  /// The network.
  public let model: RestormerModel
  /// All parameters at the offsets of `model.parameters`; the gaps between them are zero.
  public var values: [Float]
  /// How images were normalised in training, to be undone after the network.
  public var normalization: ImageNormalization
  /// Free text pairs that the file carried.
  public var metadata: [String: String]
  /// What a user should hear about how they were read, a line each.
  public private(set) var notes: [String] = []

  /// Weights of `model` with every parameter zero.
  public init(model: RestormerModel, normalization: ImageNormalization = .none) {
    self.model = model
    values = [Float](repeating: 0, count: model.parameterExtent)
    self.normalization = normalization
    metadata = [:]
  }

  /// Reads a weights file and infers the network from names and shapes.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - key: which of several sets of weights to take, such as `params_ema`; nil for the trained
  ///     ones.
  /// - Throws: `WeightsError` for an unreadable file, `ModelError` (with the path) when the tensors
  ///   are no Restormer: a missing or misshapen tensor, one that is not finite, or one more within
  ///   a module of the network.
  public init(contentsOf path: String, key: String? = nil) throws {
    try self.init(StateDict(contentsOf: path, key: key), from: path)
  }

  /// Takes the parameters from `state`, which was read from `path`.
  /// - Throws: `ModelError` with the path; `WeightsError` for the state of a training run.
  public init(_ state: StateDict, from path: String) throws {
    if let hint = state.hintInPlaceOfWeights(at: path) {
      throw WeightsError(path: path, fault: hint)
    }
    do {
      try self.init(state)
    } catch let error as ModelError {
      throw ModelError("\(path): \(error.description)")
    }
  }

  /// Takes the parameters from `state`.
  /// - Throws: `ModelError` as above.
  public init(_ state: StateDict) throws {
    try Self.checkUnreadable(state.unreadable)
    let shapes = Dictionary(state.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
    let model = RestormerModel(try ModelConfiguration(inferredFrom: shapes))
    let normalization = try ImageNormalization(metadata: state.metadata)
    try Self.checkSymmetries(state.metadata)
    let (means, configuration) = (normalization.mean.count, model.configuration)
    guard configuration.inputChannels % means == 0, configuration.outputChannels % means == 0 else {
      throw ModelError(
        "the metadata normalises \(means) channels, the network takes "
          + "\(configuration.inputChannels) and gives \(configuration.outputChannels)")
    }
    let tensors = Dictionary(state.tensors.map { ($0.name, $0) }) { first, _ in first }
    // Checked before the block is allocated: its size is then that of tensors that really exist.
    try Self.check(tensors, against: model)
    let strangers =
      try Self.strangers(among: state.tensors, to: model) + state.leftOut + state.unreadable.keys
    self.init(model: model, normalization: normalization)
    metadata = state.metadata
    notes = state.notes
    if let note = Self.note(onLeavingOut: strangers) { notes.append(note) }
    for spec in model.parameters {
      guard let tensor = tensors[spec.name] else { continue }
      values.replaceSubrange(spec.offset..<spec.offset + spec.count, with: tensor.values)
    }
  }

  /// A tensor that cannot be read may lie beside the network, but not in one of its modules.
  private static func checkUnreadable(_ faults: [String: String]) throws {
    guard !faults.isEmpty else { return }
    var widest = ModelConfiguration()
    (widest.inputChannels, widest.dualPixel) = (6, true)
    let modules = Set(RestormerModel(widest).parameters.map { module($0.name) })
    let own = faults.filter { modules.contains(module($0.key)) }
    if let fault = own.min(by: { $0.key < $1.key })?.value { throw ModelError(fault) }
  }

  private static func module(_ name: String) -> Substring { name.prefix { $0 != "." } }

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
  }

  /// Names of tensors that the network does not have and that cannot change what it computes:
  /// counters, a loss's network.
  /// - Throws: `ModelError` for an array within one of the network's own modules, which is then
  ///   another network's.
  private static func strangers(
    among tensors: [NamedTensor], to model: RestormerModel
  ) throws -> [String] {
    let known = Set(model.parameters.map(\.name))
    let modules = Set(known.map(module))
    let extra = tensors.filter { !known.contains($0.name) }
    if let foreign = extra.first(where: { $0.values.count > 1 && modules.contains(module($0.name)) }
    ) {
      throw ModelError("tensor \(foreign.name) does not belong to the model")
    }
    return extra.map(\.name)
  }

  private static func note(onLeavingOut names: [String]) -> String? {
    guard !names.isEmpty else { return nil }
    let shown =
      names.sorted().prefix(4).map { String($0.prefix(80)) } + (names.count > 4 ? ["..."] : [])
    let count = names.count == 1 ? "a tensor" : "\(names.count) tensors"
    return "\(count) beside the network's left out: \(shown.joined(separator: ", "))"
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

  /// Fresh parameters as PyTorch initialises them: convolutions uniform in ±1/sqrt(fan in),
  /// LayerNorm weights and temperatures 1, LayerNorm biases 0.
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
