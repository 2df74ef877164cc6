import CZip

/// Writes a zip archive of stored entries piece by piece, each entry's bytes on a multiple of 64 as
/// PyTorch maps them.
struct ZipWriter {
  private let file: AtomicFile
  private var position = 0
  private var directory: [UInt8] = []
  private var count = 0

  init(_ file: AtomicFile) { self.file = file }

  /// Adds an entry.
  /// - Throws: `FileError`; `ModelError` beyond the four gigabytes that the plain form can address.
  mutating func add(_ name: String, _ bytes: [UInt8]) throws {
    guard position + bytes.count + name.utf8.count + 256 < Int(UInt32.max) else {
      throw ModelError("more than 4 GB: a .safetensors file can hold them")
    }
    let checksum = bytes.withUnsafeBufferPointer { czip_checksum($0.baseAddress, $0.count) }
    let size = UInt32(bytes.count)
    // The padding is an extra field: a mark, its length, zeros.
    let start = position + 30 + name.utf8.count + 4
    let padding = UInt16((64 - start % 64) % 64)
    let fields =
      [20, 0, 0, 8, 0, 0, 0, 0, 0, 0] + little(checksum) + little(size) + little(size)
      + little(UInt16(name.utf8.count))
    let header = [0x50, 0x4B, 3, 4] + fields + little(padding + 4) + name.utf8
    directory += [0x50, 0x4B, 1, 2, 20, 0] + fields + [UInt8](repeating: 0, count: 12)
    directory += little(UInt32(position)) + name.utf8
    let extra = [0x46, 0x42] + little(padding) + [UInt8](repeating: 0, count: Int(padding))
    for piece in [header + extra, bytes] {
      try piece.withUnsafeBytes { try file.write($0) }
      position += piece.count
    }
    count += 1
  }

  /// Writes the directory, which ends the archive.
  mutating func finish() throws {
    let entries = little(UInt16(count)) + little(UInt16(count))
    let end =
      [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + entries + little(UInt32(directory.count))
      + little(UInt32(position)) + [0, 0]
    try (directory + end).withUnsafeBytes { try file.write($0) }
  }

  private func little<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }
}
