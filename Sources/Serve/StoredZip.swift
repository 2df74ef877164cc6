import Foundation
import Restormer

/// A ZIP archive whose entries are stored as they are: pictures are compressed already.
enum StoredZip {
  /// The archive in pieces, so that no picture is copied.
  /// - Throws: `HTTPFault` when it would exceed the format's 4 GiB or 65,535 files.
  static func parts(_ files: [(name: String, data: Data)]) throws -> [Data] {
    guard files.count <= Int(UInt16.max) else {
      throw HTTPFault(
        .contentTooLarge, "\(files.count) results: an archive holds 65535 files, fetch each")
    }
    let names = unique(files.map(\.name))
    var parts: [Data] = []
    var directory = Data()
    var offset = 0
    for (name, data) in zip(names, files.map(\.data)) {
      guard offset + data.count < Int(UInt32.max) - (1 << 20) else {
        throw HTTPFault(.contentTooLarge, "the results exceed the 4 GiB of an archive: fetch each")
      }
      let common = fields(name, data)
      let header = Data(littleEndian: [0x0403_4b50 as UInt32]) + common + Data(name.utf8)
      directory += Data(littleEndian: [0x0201_4b50 as UInt32]) + Data(littleEndian: [20 as UInt16])
      directory += common + Data(littleEndian: [0, 0, 0] as [UInt16])
      directory += Data(littleEndian: [0, UInt32(offset)] as [UInt32]) + Data(name.utf8)
      parts += [header, data]
      offset += header.count + data.count
    }
    let count = UInt16(min(files.count, 65_535))
    var end = Data(littleEndian: [0x0605_4b50 as UInt32])
    end += Data(littleEndian: [0, 0, count, count] as [UInt16])
    end += Data(littleEndian: [UInt32(directory.count), UInt32(offset)]) + Data(count: 2)
    return parts + [directory, end]
  }

  /// What the header of an entry and its record in the directory have in common.
  private static func fields(_ name: String, _ data: Data) -> Data {
    // Version 2.0, names in UTF-8, stored, at midnight of the first day of 1980.
    var fields = Data(littleEndian: [20, 0x0800, 0, 0, 0x21] as [UInt16])
    let size = UInt32(data.count)
    fields += Data(littleEndian: [crc32(data), size, size])
    return fields + Data(littleEndian: [UInt16(name.utf8.count), 0])
  }

  /// The names, a number added where one is there already, in any case of letters.
  static func unique(_ names: [String]) -> [String] {
    var taken: Set<String> = []
    return names.map { name in
      let (stem, kind) = (
        (name as NSString).deletingPathExtension, (name as NSString).pathExtension
      )
      var candidate = name
      var number = 2
      while !taken.insert(candidate.lowercased()).inserted {
        candidate = "\(stem) (\(number)).\(kind)"
        number += 1
      }
      return candidate
    }
  }
}

extension Data {
  fileprivate init<T: FixedWidthInteger>(littleEndian values: [T]) {
    self = values.map(\.littleEndian).withUnsafeBytes { Data($0) }
  }
}
