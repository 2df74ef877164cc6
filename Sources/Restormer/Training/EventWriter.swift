import Foundation
import ProtocolBuffers
import SwiftProtobuf

/// Writes event files that TensorBoard reads: records of length, checksum and a `TensorBoardEvent`.
package final class EventWriter {
  let file: AppendedFile
  /// The time of the newest event: later ones are never older, whatever the clock says.
  private var newest: Double

  /// Starts a new event file after `files`; TensorBoard joins the files of one folder by step.
  init(after files: EventFiles) throws {
    newest = files.newestTime
    file = try AppendedFile(path: files.nextPath)
    try write(.fileVersion("brain.Event:2"), step: 0)
  }

  /// Appends one value per tag at `step`.
  func scalars(_ values: [String: Double], step: Int) throws {
    for (tag, value) in values.sorted(by: { $0.key < $1.key }) {
      try write(tag, .simpleValue(Float(value)), step: step)
    }
  }

  /// Appends a picture at `step`.
  func image(_ tag: String, _ image: Image, step: Int) throws {
    let picture = try TensorBoardSummary.Image.with {
      $0.height = Int32(image.height)
      $0.width = Int32(image.width)
      $0.colorspace = Int32(image.channels)
      $0.encodedImageString = Data(try image.encode(format: .png))
    }
    try write(tag, .image(picture), step: step)
  }

  /// Says that a run goes on after `step`: TensorBoard then drops what older files hold of later
  /// steps.
  func restart(after step: Int) throws {
    try write(.sessionLog(.with { $0.status = .start }), step: step + 1)
  }

  private func write(
    _ tag: String, _ value: TensorBoardSummary.Value.OneOf_Value, step: Int
  ) throws {
    let value = TensorBoardSummary.Value.with { ($0.tag, $0.value) = (tag, value) }
    try write(.summary(.with { $0.value = [value] }), step: step)
  }

  private func write(_ what: TensorBoardEvent.OneOf_What, step: Int) throws {
    newest = max(newest, Date().timeIntervalSince1970)
    let event = TensorBoardEvent.with {
      ($0.wallTime, $0.step, $0.what) = (newest, Int64(step), what)
    }
    try file.append(Self.record(event.serializedBytes()))
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
