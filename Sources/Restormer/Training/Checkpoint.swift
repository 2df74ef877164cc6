import Foundation
import Kernels

/// The whole state of a run: enough to go on bit for bit. Random choices, the position in the data
/// and the learning rate are functions of the step and the options.
package struct Checkpoint: Sendable {
  /// Where the run stands.
  package let progress: RunProgress
  /// All parameters, a contiguous block.
  package let values: [Float]
  /// Their moving average; empty if none is kept.
  package let averaged: [Float]
  /// The optimizer's first moment.
  package let first: [Float]
  /// The optimizer's second moment.
  package let second: [Float]
  /// The options by their path in an options file.
  package let options: [String: String]

  private static let kind = "restormer training state 1"

  /// Reads a state file.
  /// - Throws: `WeightsError` for a damaged file or one of another kind.
  package init(contentsOf path: String) throws {
    let state = try StateDict(contentsOf: path)
    func fault(_ text: String) -> WeightsError { WeightsError(path: path, fault: text) }
    guard state.metadata["kind"] == Self.kind else { throw fault("is no training state") }
    func block(_ name: String) throws -> [Float] {
      guard let tensor = state[name] else { throw fault("lacks '\(name)'") }
      return tensor.values
    }
    values = try block("parameters")
    averaged = try block("average")
    first = try block("first moment")
    second = try block("second moment")
    var checksum = BlockChecksum(state.metadata)
    for block in [values, averaged, first, second] { checksum.add(block) }
    guard state["checksum"]?.values == checksum.values,
      let progress = RunProgress(metadata: state.metadata)
    else { throw fault("is damaged") }
    self.progress = progress
    options = Dictionary(
      uniqueKeysWithValues: state.metadata.compactMap { key, value in
        key.hasPrefix("option ") ? (String(key.dropFirst(7)), value) : nil
      })
  }

  fileprivate static func metadata(
    _ progress: RunProgress, _ options: TrainingOptions
  ) -> [String: String] {
    var metadata = progress.metadata
    metadata["kind"] = kind
    for (key, value) in options.entries { metadata["option " + key] = value }
    return metadata
  }

  /// The options in which `options` differ, one line each: `train.optim_g.lr: 0.0003 -> 0.001`.
  package func changes(to options: TrainingOptions) -> [String] {
    TrainingOptions.changes(from: self.options, to: options)
  }

  /// Whether its moments are those of `rule`.
  func isOptimized(by rule: OptimizerOptions.Kind) -> Bool {
    options["train.optim_g.type"] == rule.officialName
  }

  /// - Throws: `DataError` when the state is that of another network; `folder` is the run's.
  func check(belongsTo model: RestormerModel, folder: String) throws {
    var wanted = TrainingOptions()
    wanted.model = model.configuration
    let same = wanted.entries.allSatisfy { key, value in
      !key.hasPrefix("network_g.") || options[key] == value
    }
    guard same, values.count == model.parameterExtent else {
      throw DataError(
        "\(folder): its states belong to another network; choose another name for this run")
    }
  }
}

/// FNV-1a over the metadata and all bits of the blocks, as four numbers that a 32-bit float holds
/// exactly: it closes the file, since the header is written before the blocks are known.
private struct BlockChecksum {
  private var hash = FNV1a()

  init(_ metadata: [String: String]) {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      hash.add("\(key)=\(value);".utf8)
    }
  }

  mutating func add(_ block: [Float]) {
    for value in block { hash.add(UInt64(value.bitPattern)) }
  }

  var values: [Float] { (0..<4).map { Float(hash.value >> UInt64(16 * $0) & 0xFFFF) } }
}

/// Writes a run's state block by block, straight from the device's memory.
struct CheckpointWriter<B: Backend> {
  let engine: TrainingEngine<B>
  let progress: RunProgress
  let options: TrainingOptions

  /// Writes the state, whole or not at all.
  /// - Throws: `FileError`, the backend's error.
  func write(to path: String) throws {
    let extent = engine.model.parameterExtent
    let isAveraged = options.averageDecay != nil
    let metadata = Checkpoint.metadata(progress, options)
    var checksum = BlockChecksum(metadata)
    func entry(
      _ name: String, count: Int, _ read: @escaping (Range<Int>) throws -> [Float]
    ) -> SafetensorsWriter.Entry {
      SafetensorsWriter.Entry(name: name, shape: [count]) { range in
        let values = try read(range)
        checksum.add(values)
        return values
      }
    }
    let entries = [
      entry("parameters", count: extent) { try engine.values($0) },
      entry("average", count: isAveraged ? extent : 0) { try engine.averagedValues($0) ?? [] },
      entry("first moment", count: extent) { try engine.firstMoment($0) },
      entry("second moment", count: extent) { try engine.secondMoment($0) },
      SafetensorsWriter.Entry(name: "checksum", shape: [4]) { _ in checksum.values },
    ]
    try SafetensorsWriter(entries: entries, metadata: metadata, type: .float32).write(to: path)
  }
}

/// Writes a run's weights, the moving average where one is kept, straight from the device's memory.
struct WeightsWriter<B: Backend> {
  let engine: TrainingEngine<B>
  let normalization: ImageNormalization
  /// The orientations in which training shows images.
  let symmetries: [Symmetry]
  /// Pixels on each side of the largest patches of training.
  let patch: Int

  /// Writes the weights, whole or not at all.
  /// - Throws: `FileError`, the backend's error.
  func write(to path: String) throws {
    let entries = engine.model.parameters.map { spec in
      SafetensorsWriter.Entry(name: spec.name, shape: spec.officialShape) { range in
        let place = spec.offset + range.lowerBound..<spec.offset + range.upperBound
        return try engine.averagedValues(place) ?? engine.values(place)
      }
    }
    var metadata = normalization.metadata.merging(ModelWeights.metadata(of: symmetries)) { $1 }
    metadata[ModelWeights.patchKey] = "\(patch)"
    try SafetensorsWriter(entries: entries, metadata: metadata, type: .float32).write(to: path)
  }
}
