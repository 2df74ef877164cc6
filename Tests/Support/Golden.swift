import Foundation
import Restormer
import XCTest

/// Values recorded from the official implementation: all of them where `RESTORMER_GOLDEN` or
/// `../shared/golden` has them, else the repository's own small copy.
public enum Golden {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static var folders: [URL] {
    let chosen = ProcessInfo.processInfo.environment["RESTORMER_GOLDEN"].map {
      URL(fileURLWithPath: $0)
    }
    return [
      chosen, root.appendingPathComponent("../shared/golden").standardized,
      root.appendingPathComponent("Tests/Golden"),
    ].compactMap { $0 }
  }

  /// The folder of a case, or nil when no copy has it.
  public static func directory(_ name: String) -> URL? {
    folders.map { $0.appendingPathComponent(name) }.first {
      FileManager.default.fileExists(atPath: $0.appendingPathComponent("manifest.json").path)
    }
  }

  /// The case's manifest.
  public static func manifest(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: try file(name, "manifest.json"))
    return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// A file of the case.
  /// - Throws: `XCTSkip` when no copy has the case.
  public static func file(_ name: String, _ file: String) throws -> URL {
    guard let directory = directory(name) else { throw XCTSkip("no recorded values for \(name)") }
    return directory.appendingPathComponent(file)
  }

  /// The tensors of one file of the case.
  public static func tensors(_ name: String, _ file: String) throws -> StateDict {
    try StateDict(contentsOf: try self.file(name, file).path)
  }
}
