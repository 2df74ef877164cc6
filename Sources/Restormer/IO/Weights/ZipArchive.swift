import CZip
import Foundation

/// A zip archive: entries stored as they are, as PyTorch writes them, or deflated, as file managers
/// pack them anew.
struct ZipArchive {
  struct Entry {
    let name: String
    let range: Range<Int>
    /// Bytes once unpacked.
    let size: Int
    let isDeflated: Bool
    let checksum: UInt32
  }

  private let data: Data
  private var entries: [String: Entry] = [:]
  /// Weights hardly shrink, zeros beside them do: what unpacks to far more was made to fill the
  /// memory.
  private static let largestExpansion = (factor: 16, bytes: 16 << 20)

  /// Names in the archive.
  var names: [String] { Array(entries.keys) }

  /// - Throws: `PickleFault` for a damaged archive, or one that would unpack to far more than the
  ///   file.
  init(_ data: Data) throws {
    self.data = data
    let directory = try Self.directory(of: data)
    var reader = ByteReader(data, range: directory)
    while reader.remaining > 0 {
      let entry = try Self.entry(&reader, in: data)
      guard entries.updateValue(entry, forKey: entry.name) == nil else {
        throw PickleFault("the archive holds '\(entry.name)' twice")
      }
    }
    try checkSeparate()
    let sizes = entries.values.reduce(0) { $0 + ($1.isDeflated ? $1.size : 0) }
    guard sizes <= Self.largestExpansion.factor * data.count + Self.largestExpansion.bytes else {
      throw PickleFault("the archive unpacks to far more than the file: refused")
    }
  }

  /// Entries that share bytes would let a small file cost the time of a huge one.
  private func checkSeparate() throws {
    var end = 0
    for entry in entries.values.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      guard entry.range.lowerBound >= end else {
        throw PickleFault("'\(entry.name)' overlaps another entry of the archive")
      }
      end = entry.range.upperBound
    }
  }

  /// The bytes of the entry called `name`, checksum verified.
  func contents(_ name: String) throws -> Data {
    guard let entry = entries[name] else { throw PickleFault("the archive has no '\(name)'") }
    let bytes = entry.isDeflated ? try unpack(entry) : data[entry.range]
    let checksum = bytes.withUnsafeBytes { raw in
      raw.baseAddress.map { czip_checksum($0.assumingMemoryBound(to: UInt8.self), raw.count) } ?? 0
    }
    guard checksum == entry.checksum else {
      throw PickleFault("'\(name)' is damaged: its CRC-32 does not agree")
    }
    return bytes
  }

  private func unpack(_ entry: Entry) throws -> Data {
    // One byte more: an empty entry has an address too.
    var result = [UInt8](repeating: 0, count: entry.size + 1)
    let isWhole = data[entry.range].withUnsafeBytes { packed in
      packed.baseAddress.map {
        czip_inflate(
          $0.assumingMemoryBound(to: UInt8.self), packed.count, &result, entry.size)
      } ?? 0
    }
    guard isWhole == 1 else {
      throw PickleFault("'\(entry.name)' is damaged: it cannot be unpacked")
    }
    return Data(result.dropLast())
  }

  private static func directory(of data: Data) throws -> Range<Int> {
    let earliest = max(0, data.count - 22 - 65535)
    var end = data.count - 22
    while end >= earliest, word(data, end) != 0x0605_4B50 { end -= 1 }
    guard end >= earliest, end >= 0 else {
      throw PickleFault("the archive is cut off: its central directory is missing")
    }
    var reader = ByteReader(data, range: end + 12..<data.count)
    var size = try reader.unsigned(bytes: 4)
    var start = try reader.unsigned(bytes: 4)
    if start == 0xFFFF_FFFF || size == 0xFFFF_FFFF {
      (start, size) = try largeDirectory(data, before: end)
    }
    guard start <= UInt64(end), size <= UInt64(end) - start else {
      throw PickleFault("the archive's directory lies outside the file")
    }
    return Int(start)..<Int(start + size)
  }

  /// The zip64 form: a locator right before the end record points to 64-bit numbers.
  private static func largeDirectory(_ data: Data, before end: Int) throws -> (UInt64, UInt64) {
    guard end >= 20, word(data, end - 20) == 0x0706_4B50 else {
      throw PickleFault("the archive's zip64 locator is missing")
    }
    var locator = ByteReader(data, range: end - 12..<end)
    let position = try locator.unsigned(bytes: 8)
    guard position <= UInt64(max(0, end - 56)), word(data, Int(position)) == 0x0606_4B50 else {
      throw PickleFault("the archive's zip64 record is missing")
    }
    var record = ByteReader(data, range: Int(position) + 40..<Int(position) + 56)
    let size = try record.unsigned(bytes: 8)
    return (try record.unsigned(bytes: 8), size)
  }

  private static func entry(_ reader: inout ByteReader, in data: Data) throws -> Entry {
    guard try reader.unsigned(bytes: 4) == 0x0201_4B50 else {
      throw PickleFault("the archive's directory is damaged")
    }
    _ = try reader.bytes(4)
    let flags = try reader.unsigned(bytes: 2)
    let method = try reader.unsigned(bytes: 2)
    _ = try reader.bytes(4)
    let checksum = UInt32(try reader.unsigned(bytes: 4))
    var stored = try reader.unsigned(bytes: 4)
    var size = try reader.unsigned(bytes: 4)
    let nameLength = Int(try reader.unsigned(bytes: 2))
    let extraLength = Int(try reader.unsigned(bytes: 2))
    let commentLength = Int(try reader.unsigned(bytes: 2))
    _ = try reader.bytes(8)
    var offset = try reader.unsigned(bytes: 4)
    let name = try reader.text(nameLength)
    try readLargeSizes(try reader.bytes(extraLength), &size, &stored, &offset)
    _ = try reader.bytes(commentLength)
    guard flags & 1 == 0, method == 8 || (method == 0 && stored == size) else {
      throw PickleFault("'\(name)' is encrypted, or compressed in a way other than deflate")
    }
    // Deflate gains a factor of 1032 at most.
    guard size / 1100 <= stored else { throw PickleFault("'\(name)' has an impossible size") }
    let range = try range(name, offset, stored, in: data)
    if flags & 8 != 0 { try checkDescriptor(name, checksum, at: range.upperBound, in: data) }
    return Entry(
      name: name, range: range, size: Int(size), isDeflated: method == 8, checksum: checksum)
  }

  /// The record behind an entry's bytes repeats its checksum, with or without a signature before
  /// it.
  private static func checkDescriptor(
    _ name: String, _ checksum: UInt32, at position: Int, in data: Data
  ) throws {
    let first = word(data, position)
    guard first == checksum || (first == 0x0807_4B50 && word(data, position + 4) == checksum) else {
      throw PickleFault("'\(name)' is damaged: the record behind it has another CRC-32")
    }
  }

  private static func readLargeSizes(
    _ extra: Data, _ size: inout UInt64, _ stored: inout UInt64, _ offset: inout UInt64
  ) throws {
    var reader = ByteReader(Data(extra), range: 0..<extra.count)
    while reader.remaining >= 4 {
      let kind = try reader.unsigned(bytes: 2)
      let length = try reader.length(bytes: 2)
      var field = ByteReader(Data(try reader.bytes(length)), range: 0..<length)
      guard kind == 1 else { continue }
      if size == 0xFFFF_FFFF { size = try field.unsigned(bytes: 8) }
      if stored == 0xFFFF_FFFF { stored = try field.unsigned(bytes: 8) }
      if offset == 0xFFFF_FFFF { offset = try field.unsigned(bytes: 8) }
    }
  }

  private static func range(
    _ name: String, _ offset: UInt64, _ size: UInt64, in data: Data
  ) throws -> Range<Int> {
    let total = UInt64(data.count)
    guard offset < total, total - offset >= 30, word(data, Int(offset)) == 0x0403_4B50 else {
      throw PickleFault("'\(name)' is not where the archive says")
    }
    var local = ByteReader(data, range: Int(offset) + 26..<Int(offset) + 30)
    let start = offset + 30 + (try local.unsigned(bytes: 2)) + (try local.unsigned(bytes: 2))
    guard start <= total, size <= total - start else {
      throw PickleFault("'\(name)' reaches beyond the end of the file")
    }
    return Int(start)..<Int(start + size)
  }

  private static func word(_ data: Data, _ position: Int) -> UInt32 {
    guard position >= 0, position + 4 <= data.count else { return 0 }
    return (0..<4).reduce(0) { $0 | UInt32(data[position + $1]) << UInt32(8 * $1) }
  }
}

/// CRC-32 as zip uses it.
package func crc32(_ bytes: Data) -> UInt32 {
  bytes.withUnsafeBytes { czip_checksum($0.bindMemory(to: UInt8.self).baseAddress, $0.count) }
}
