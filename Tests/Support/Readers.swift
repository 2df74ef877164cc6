import Foundation
import Kernels
import Restormer

/// Everything that reads a file which somebody else may have written: the fuzzer feeds each of
/// them, and tests read again what it found.
package enum Reader: String, CaseIterable {
  case safetensors
  case legacy
  case zip
  case pickle
  case state
  case png
  case jpeg
  case tiff
  case webp
  case bmp
  case options
  case sweep
  case sample
  case metrics
  case events
  case manifest
  case tuning

  /// Reads `bytes` as a user's file. Whatever is wrong with them is an error: it must neither trap
  /// nor take much memory.
  package func read(_ bytes: [UInt8]) {
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
    case .jpeg, .tiff, .webp, .bmp: readImage(bytes)
    case .options: onFile(bytes) { _ = try TrainingOptions(contentsOf: $0).yaml }
    case .sweep: onFile(bytes) { _ = try SweepFile(contentsOf: $0).runs }
    case .sample: onFile(bytes) { _ = try SampleSubmission(contentsOf: $0) }
    case .metrics: readMetrics(bytes)
    case .events: onFile(bytes) { _ = EventFile(path: $0).records }
    case .manifest: onFile(bytes) { _ = try DegradationManifest(at: $0) }
    case .tuning:
      let traits = DeviceTraits(bytes.count % 2 == 0 ? .cpu : .gpu)
      _ = TunedParameters(text: String(decoding: bytes, as: UTF8.self), for: traits).text
    }
  }

  private func readMetrics(_ bytes: [UInt8]) {
    onFile(bytes) { path in
      _ = SweepResult.Validation.read(path)
      _ = try MetricsLog(path: path, columns: ["step", "psnr"], after: 3, without: "psnr")
    }
  }

  /// Decodes a picture, unless it is one of those that a few bytes make very large, and writes it
  /// with its notes.
  private func readImage(_ bytes: [UInt8]) {
    let mostPixels = 1 << 16
    bytes.withUnsafeBytes { bytes in
      do {
        let header = try Image.header(of: bytes)
        guard header.width * header.height <= mostPixels else { return }
        let image = try Bitmap(bytes: bytes)
        for format in ImageFormat.writable { _ = try image.encode(format: format) }
      } catch {
        _ = "\(error)"
      }
    }
  }

  /// One file in memory, written anew for each input.
  private static let path = "/dev/shm/restormer-reader-\(getpid())"

  private func onFile(_ bytes: [UInt8], _ body: (String) throws -> Void) {
    let descriptor = open(Self.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(
      bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count,
      "Reader: cannot write \(Self.path)")
    close(descriptor)
    do { try body(Self.path) } catch { _ = "\(error)" }
    unlink(Self.path)
  }
}

/// Chunks of a PNG with their checksums set right: else libpng sees none of the changes.
private enum PNGChunks {
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
