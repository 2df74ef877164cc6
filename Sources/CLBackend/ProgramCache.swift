import Foundation

/// Compiled programs on disk, keyed by everything that determines them.
///
/// An entry is written beside its place and renamed, so that two processes never see half of one;
/// its header repeats the key and a checksum, so that a damaged or foreign file is removed and
/// built anew.
public struct ProgramCache: Sendable {
  /// The folder of the entries.
  package let directory: String

  /// A cache in `directory`, which is made when the first entry is stored.
  package init(directory: String) { self.directory = directory }

  /// `RESTORMER_CACHE_DIR`, else the user's cache folder; nil without a home.
  public static var defaultDirectory: String? {
    directory(in: ProcessInfo.processInfo.environment)
  }

  /// The folder that the variables of `environment` name.
  package static func directory(in environment: [String: String]) -> String? {
    if let chosen = environment["RESTORMER_CACHE_DIR"], !chosen.isEmpty { return chosen }
    if let xdg = environment["XDG_CACHE_HOME"], xdg.hasPrefix("/") {
      return xdg + "/restormer"
    }
    guard let home = environment["HOME"], FileManager.default.fileExists(atPath: home) else {
      return nil
    }
    #if os(macOS)
      return home + "/Library/Caches/restormer"
    #else
      return home + "/.cache/restormer"
    #endif
  }

  /// Whether binaries of a platform are worth keeping.
  ///
  /// PoCL compiles every kernel of a program when asked for its binary, and has a disk cache of its
  /// own; `RESTORMER_FORCE_BINARY_CACHE=1` keeps its binaries all the same.
  package static func isUseful(
    platform: String, environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Bool {
    !PoCL.isPlatform(platform) || environment["RESTORMER_FORCE_BINARY_CACHE"] == "1"
  }

  /// The entry for `key`, or nil when there is none or it is damaged.
  package func load(_ key: String) -> [UInt8]? {
    let path = path(for: key)
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let entry = [UInt8](data)
    let header = header(for: key)
    guard entry.count >= header.count + 8, entry.starts(with: header) else {
      unlink(path)
      return nil
    }
    let payload = Array(entry[(header.count + 8)...])
    guard Array(entry[header.count..<header.count + 8]) == bytes(of: hash(payload)) else {
      unlink(path)
      return nil
    }
    return payload
  }

  /// Stores `payload` under `key`; a folder that cannot be written to leaves the cache as it was.
  package func store(_ payload: [UInt8], for key: String) {
    try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let path = path(for: key)
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
    let entry = Data(header(for: key) + bytes(of: hash(payload)) + payload)
    guard FileManager.default.createFile(atPath: temporary, contents: entry) else {
      unlink(temporary)
      return
    }
    // A disk that is full leaves a short file behind without an error.
    let size = try? FileManager.default.attributesOfItem(atPath: temporary)[.size] as? Int
    guard size == entry.count, rename(temporary, path) == 0 else {
      unlink(temporary)
      return
    }
  }

  private func path(for key: String) -> String {
    let name = String(hash(Array(key.utf8)), radix: 16) + String(key.utf8.count, radix: 16)
    return "\(directory)/\(name).clbin"
  }

  private func header(for key: String) -> [UInt8] {
    Array("restormer program 1\n\(key.utf8.count)\n\(key)\n".utf8)
  }

  private func bytes(of value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
  }

  /// FNV-1a, 64 bits.
  private func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
