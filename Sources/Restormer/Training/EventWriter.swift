import Foundation

/// Writes event files that TensorBoard reads: records of length, checksum and a protocol-buffer
/// message, written by hand for the few fields that scalars and images need.
package final class EventWriter {
  let file: AppendedFile
  /// The time of the newest event: later ones are never older, whatever the clock says.
  private var newest: Double

  /// Starts a new event file after `files`; TensorBoard joins the files of one folder by step.
  init(after files: EventFiles) throws {
    newest = files.newestTime
    file = try AppendedFile(path: files.nextPath)
    try write(step: 0, Message().string(3, "brain.Event:2"))
  }

  /// Appends one value per tag at `step`.
  func scalars(_ values: [String: Double], step: Int) throws {
    for (tag, value) in values.sorted(by: { $0.key < $1.key }) {
      let entry = Message().string(1, tag).float(2, Float(value))
      let summary = Message().message(1, entry)
      try write(step: step, Message().message(5, summary))
    }
  }

  /// Appends a picture at `step`.
  func image(_ tag: String, _ image: Image, step: Int) throws {
    let picture = Message().integer(1, image.height).integer(2, image.width)
      .integer(3, image.channels).blob(4, try image.encode(format: .png))
    let entry = Message().string(1, tag).message(4, picture)
    try write(step: step, Message().message(5, Message().message(1, entry)))
  }

  /// Says that a run goes on after `step`: TensorBoard then drops what older files hold of later
  /// steps.
  func restart(after step: Int) throws {
    try write(step: step + 1, Message().message(7, Message().integer(1, 1)))
  }

  private func write(step: Int, _ field: Message) throws {
    newest = max(newest, Date().timeIntervalSince1970)
    try file.append(Self.record(Self.event(step: step, field: field, time: newest)))
  }

  package static func event(step: Int, field: Message, time: Double) -> [UInt8] {
    Message().double(1, time).integer(2, step).bytes + field.bytes
  }

  /// Length, masked CRC-32C of the length, data, masked CRC-32C of the data.
  package static func record(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(data.count))
    return length + littleEndian(masked(length)) + data + littleEndian(masked(data))
  }

  private static func masked(_ bytes: [UInt8]) -> UInt32 {
    let checksum = crc32c(bytes)
    return ((checksum >> 15) | (checksum << 17)) &+ 0xA282_EAD8
  }

  /// CRC-32 with Castagnoli's polynomial.
  package static func crc32c(_ bytes: [UInt8]) -> UInt32 {
    var value: UInt32 = .max
    for byte in bytes {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
    }
    return ~value
  }
}

private func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
  withUnsafeBytes(of: word.littleEndian) { Array($0) }
}

/// A protocol-buffer message under construction.
package struct Message {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  func double(_ field: Int, _ value: Double) -> Message {
    appending(key(field, 1) + littleEndian(value.bitPattern))
  }

  package func float(_ field: Int, _ value: Float) -> Message {
    appending(key(field, 5) + littleEndian(value.bitPattern))
  }

  func integer(_ field: Int, _ value: Int) -> Message {
    appending(key(field, 0) + varint(UInt64(max(0, value))))
  }

  package func string(_ field: Int, _ value: String) -> Message { blob(field, Array(value.utf8)) }

  package func message(_ field: Int, _ value: Message) -> Message { blob(field, value.bytes) }

  func blob(_ field: Int, _ value: [UInt8]) -> Message {
    appending(key(field, 2) + varint(UInt64(value.count)) + value)
  }

  private func appending(_ more: [UInt8]) -> Message {
    var copy = self
    copy.bytes += more
    return copy
  }

  private func key(_ field: Int, _ wire: Int) -> [UInt8] { varint(UInt64(field << 3 | wire)) }

  private func varint(_ value: UInt64) -> [UInt8] {
    var (rest, result) = (value, [UInt8]())
    while rest >= 0x80 {
      result.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return result + [UInt8(rest)]
  }
}
