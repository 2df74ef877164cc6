import Foundation

/// The small files of `Tests/Samples`, a folder for each reader: the fuzzer sets out from them, and
/// what it finds joins them.
package enum Samples {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Samples")

  /// The names of the folders.
  package static var readers: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }

  /// The files for a reader, by name.
  package static func files(_ reader: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = folder.appendingPathComponent(reader)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      (name, [UInt8](try Data(contentsOf: folder.appendingPathComponent(name))))
    }
  }

  /// One file.
  package static func file(_ reader: String, _ name: String) throws -> [UInt8] {
    [UInt8](
      try Data(contentsOf: folder.appendingPathComponent(reader).appendingPathComponent(name)))
  }
}
