import Foundation

/// What an event file holds, as far as it is whole.
package struct EventFile {
  /// The beginning of an event.
  package struct Record: Equatable {
    /// When it was written, in seconds since 1970.
    package var time = 0.0
    /// Its step.
    package var step = 0
    /// The name of its curve or picture; nil for a note to the reader.
    package var tag: String?
    /// The offset in the file behind it.
    package var end = 0
  }

  /// Bytes of an event that are read: its tag is among them.
  private static let head = 512

  /// The whole records, in order.
  package let records: [Record]

  /// Reads `path`; a file that cannot be read has no records.
  package init(path: String) {
    var records: [Record] = []
    if let file = try? openFile(path) {
      var end = 0
      while let record = try? Self.record(of: file, at: end) {
        records.append(record)
        end = record.end
      }
    }
    self.records = records
  }

  /// The record at an offset; nil at the end of the file, or where it was cut off.
  private static func record(of file: FileHandle, at offset: Int) throws -> Record? {
    let size = Int(try file.seekToEnd())
    try file.seek(toOffset: UInt64(offset))
    guard let frame = try file.read(upToCount: 12), frame.count == 12 else { return nil }
    let length = frame.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    // Length and data are each followed by four bytes of a checksum.
    guard length > 0, length <= UInt64(size), offset + 16 + Int(length) <= size,
      let data = try file.read(upToCount: min(Int(length), head))
    else { return nil }
    var record = Record(message: MessageReader(data))
    record.end = offset + 16 + Int(length)
    return record
  }
}

extension EventFile.Record {
  fileprivate init(message: MessageReader) {
    for (field, value) in message {
      switch (field, value) {
      case (1, .number(let bits)): time = Double(bitPattern: bits)
      case (2, .number(let number)): step = Int(clamping: number)
      case (5, .bytes(let summary)): tag = Self.tag(of: summary)
      default: break
      }
    }
  }

  /// The first field of the first value of a summary.
  private static func tag(of summary: Data) -> String? {
    guard case (1, .bytes(let value))? = MessageReader(summary).first(where: { _ in true }),
      case (1, .bytes(let tag))? = MessageReader(value).first(where: { _ in true })
    else { return nil }
    return String(decoding: tag, as: UTF8.self)
  }
}

/// The fields of a protocol-buffer message, which may be cut off.
private struct MessageReader: Sequence, IteratorProtocol {
  enum Value {
    case number(UInt64)
    case bytes(Data)
  }

  private var rest: Data

  init(_ data: Data) { rest = data }

  mutating func next() -> (field: UInt64, value: Value)? {
    guard let key = varint() else { return nil }
    switch key & 7 {
    case 0: return varint().map { (key >> 3, .number($0)) }
    case 1: return (key >> 3, .number(fixed(8)))
    case 2: return varint().map { (key >> 3, .bytes(take($0))) }
    case 5: return (key >> 3, .number(fixed(4)))
    default: return nil
    }
  }

  private mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  private mutating func fixed(_ count: UInt64) -> UInt64 {
    take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// So many bytes, or those that there are.
  private mutating func take(_ count: UInt64) -> Data {
    let taken = rest.prefix(Int(clamping: count))
    rest = rest.dropFirst(taken.count)
    return taken
  }
}
