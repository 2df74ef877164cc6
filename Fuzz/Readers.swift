import Foundation
import TestSupport

@testable import Kernels
@testable import Restormer

/// What is fuzzed: everything that reads a file which somebody else may have written.
enum Reader: String, CaseIterable {
  case safetensors
  case legacy
  case zip
  case pickle
  case state
  case png
  case jpeg
  case options
  case sweep
  case sample
  case metrics
  case tuning

  /// Reads `bytes` as a user's file. Whatever is wrong with them is an error: it must neither trap nor take much memory.
  func read(_ bytes: [UInt8]) {
    switch self {
    case .safetensors, .legacy, .zip:
      onFile(bytes) { _ = try ModelWeights(contentsOf: $0) }
    case .pickle:
      // The archive's checksums would keep nearly every change from the interpreter.
      let archive = TestSupport.zip([
        ("x/data.pkl", bytes), ("x/data/0", PickleText.floats([1, 2, 3, 4])),
      ])
      onFile(archive) { _ = try StateDict(contentsOf: $0) }
    case .state: onFile(bytes) { _ = try Checkpoint(contentsOf: $0) }
    case .png: readImage(bytes.count % 8 == 0 ? bytes : PNGChunks.repaired(bytes))
    case .jpeg: readImage(bytes)
    case .options: onFile(bytes) { _ = try TrainingOptions(contentsOf: $0).yaml }
    case .sweep: onFile(bytes) { _ = try SweepFile(contentsOf: $0, known: Self.sweepKeys).runs }
    case .sample: onFile(bytes) { _ = try SampleSubmission(contentsOf: $0) }
    case .metrics:
      onFile(bytes) { _ = SweepResult.Validation.read($0) }
      onFile(bytes) {
        _ = try MetricsLog(path: $0, columns: ["step", "psnr"], after: 3, without: "psnr")
      }
    case .tuning:
      let text = String(decoding: bytes, as: UTF8.self)
      _ = TunedParameters(text: text, isCPUFamily: bytes.count % 2 == 0).text
    }
  }

  private static let sweepKeys = ["loss", "optimizer", "lr", "clip", "steps", "preset"]

  private func readImage(_ bytes: [UInt8]) {
    onFile(bytes) { _ = try Image.header(of: $0) }
    onFile(bytes) { _ = try Image(contentsOf: $0) }
  }

  /// One file in memory, written anew for each input.
  private static let path = "/dev/shm/restormer-fuzz-\(getpid())"

  private func onFile(_ bytes: [UInt8], _ body: (String) throws -> Void) {
    _ = FileManager.default.createFile(atPath: Self.path, contents: Data(bytes))
    do { try body(Self.path) } catch { _ = "\(error)" }
    unlink(Self.path)
  }
}

/// Chunks of a PNG with their checksums set right: else libpng sees none of the changes.
enum PNGChunks {
  static func repaired(_ bytes: [UInt8]) -> [UInt8] {
    var (result, start) = (bytes, 8)
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = start + 8 + length
      guard end + 4 <= bytes.count else { break }
      let sum = checksum(Array(bytes[start + 4..<end]))
      for index in 0..<4 {
        result[end + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index))
      }
      start = end + 4
    }
    return result
  }
}
