import Foundation
import Kernels

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
    var checksum = BlockChecksum()
    for block in [values, averaged, first, second] { checksum.add(block) }
    guard state["checksum"]?.values == checksum.values else { throw fault("is damaged") }
    options = Dictionary(
      uniqueKeysWithValues: state.metadata.compactMap { key, value in
        key.hasPrefix("option ") ? (String(key.dropFirst(7)), value) : nil
      })
  }

  static func metadata(
    step: Int, best: Double, options: TrainingOptions
  ) -> [String: String] {
    var metadata = ["kind": kind, "step": String(step), "best": String(best)]
    for (name, value) in options.fields { metadata["option " + name] = value }
    return metadata
  }

  /// The fields in which `options` differ, one line each: `rate: 0.0003 -> 0.001`.
  public func changes(to options: TrainingOptions) -> [String] {
    options.fields.compactMap { name, value in
      let old = self.options[name] ?? "-"
      return old == value ? nil : "\(name): \(old) -> \(value)"
    }
  }
}

/// FNV-1a over all bits of the blocks, as four numbers that a 32-bit float holds exactly: it closes the file, since the
/// header is written before the blocks are known.
struct BlockChecksum {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ block: [Float]) {
    for value in block { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
  }

  var values: [Float] { (0..<4).map { Float(hash >> UInt64(16 * $0) & 0xFFFF) } }
}

/// Writes a run's state block by block, straight from the device's memory.
struct CheckpointWriter<B: Backend> {
  let engine: TrainingEngine<B>
  let step: Int
  let best: Double
  let options: TrainingOptions

  /// Writes the state, whole or not at all.
  /// - Throws: `FileError`, the backend's error.
  func write(to path: String) throws {
    let extent = engine.model.parameterExtent
    let isAveraged = options.averageDecay != nil
    var checksum = BlockChecksum()
    func entry(
      _ name: String, count: Int, _ read: @escaping () throws -> [Float]
    ) -> SafetensorsWriter.Entry {
      SafetensorsWriter.Entry(name: name, shape: [count]) {
        let values = try read()
        checksum.add(values)
        return values
      }
    }
    let entries = [
      entry("parameters", count: extent, engine.values),
      entry("average", count: isAveraged ? extent : 0) { try engine.averagedValues() ?? [] },
      entry("first moment", count: extent, engine.firstMoment),
      entry("second moment", count: extent, engine.secondMoment),
      SafetensorsWriter.Entry(name: "checksum", shape: [4]) { checksum.values },
    ]
    try SafetensorsWriter(
      entries: entries,
      metadata: Checkpoint.metadata(step: step, best: best, options: options), type: .float32
    ).write(to: path)
  }
}
