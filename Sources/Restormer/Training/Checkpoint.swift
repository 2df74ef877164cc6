import Foundation

/// The whole state of a run: enough to go on bit for bit.
public struct Checkpoint: Sendable {
  /// Steps done.
  public var step: Int
  /// All parameters, a contiguous block.
  public var values: [Float]
  /// Their moving average; empty if none is kept.
  public var averaged: [Float]
  /// The optimizer's first moment.
  public var first: [Float]
  /// The optimizer's second moment.
  public var second: [Float]
  /// The best validation PSNR so far, in dB.
  public var best: Double
  /// The options' fields by name.
  public var options: [String: String]

  private static let kind = "restormer training state 1"

  /// Reads a state file.
  /// - Throws: `WeightsError` for a damaged file or one of another kind.
  public init(contentsOf path: String) throws {
    let state = try StateDict(contentsOf: path)
    func fault(_ text: String) -> WeightsError { WeightsError(path: path, fault: text) }
    guard state.metadata["kind"] == Self.kind else { throw fault("is no training state") }
    func block(_ name: String) throws -> [Float] {
      guard let tensor = state[name] else { throw fault("lacks '\(name)'") }
      return tensor.values
    }
    guard let step = state.metadata["step"].flatMap({ Int($0) }), step >= 0,
      let best = state.metadata["best"].flatMap({ Double($0) })
    else { throw fault("lacks the step") }
    (self.step, self.best) = (step, best)
    values = try block("parameters")
    averaged = try block("average")
    first = try block("first moment")
    second = try block("second moment")
    let checksum = Self.checksum([values, averaged, first, second])
    guard state.metadata["checksum"] == checksum else { throw fault("is damaged") }
    options = Dictionary(
      uniqueKeysWithValues: state.metadata.compactMap { key, value in
        key.hasPrefix("option ") ? (String(key.dropFirst(7)), value) : nil
      })
  }

  /// A state to be saved.
  public init(
    step: Int, values: [Float], averaged: [Float], first: [Float], second: [Float], best: Double,
    options: TrainingOptions
  ) {
    (self.step, self.values, self.averaged) = (step, values, averaged)
    (self.first, self.second, self.best) = (first, second, best)
    self.options = Dictionary(uniqueKeysWithValues: options.fields.map { ($0.name, $0.value) })
  }

  /// Writes the state, whole or not at all.
  /// - Throws: `FileError`.
  public func write(to path: String) throws {
    var metadata = ["kind": Self.kind, "step": String(step), "best": String(best)]
    metadata["checksum"] = Self.checksum([values, averaged, first, second])
    for (name, value) in options { metadata["option " + name] = value }
    func tensor(_ name: String, _ values: [Float]) -> NamedTensor {
      NamedTensor(name: name, shape: [values.count], values: values)
    }
    try StateDict(
      tensors: [
        tensor("parameters", values), tensor("average", averaged), tensor("first moment", first),
        tensor("second moment", second),
      ], metadata: metadata
    ).writeSafetensors(to: path)
  }

  /// FNV-1a over all bits: a flipped bit must not go unnoticed.
  private static func checksum(_ blocks: [[Float]]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for block in blocks {
      for value in block { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    }
    return String(hash, radix: 16)
  }

  /// The fields in which `options` differ, one line each: `rate: 0.0003 -> 0.001`.
  public func changes(to options: TrainingOptions) -> [String] {
    options.fields.compactMap { name, value in
      let old = self.options[name] ?? "-"
      return old == value ? nil : "\(name): \(old) -> \(value)"
    }
  }
}
