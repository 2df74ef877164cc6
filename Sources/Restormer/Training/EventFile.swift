import Foundation
import ProtocolBuffers
import SwiftProtobuf

/// What an event file holds, as far as it is whole.
package struct EventFile {
  /// What is read of an event.
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
    // Length and data are each followed by four bytes of a checksum; no message has 2 GB.
    guard length > 0, length < Int32.max, offset + 16 + Int(length) <= size,
      let data = try file.read(upToCount: Int(length))
    else { return nil }
    // What is no event is skipped by its length.
    let event = (try? TensorBoardEvent(serializedBytes: data)) ?? TensorBoardEvent()
    return Record(
      time: event.wallTime, step: Int(event.step), tag: event.summary.value.first?.tag,
      end: offset + 16 + Int(length))
  }
}
