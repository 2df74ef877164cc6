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

  /// Those of `names` that some copy holds.
  /// - Throws: `XCTSkip` when there are none.
  public static func cases(_ names: [String]) throws -> [String] {
    let held = names.filter { directory($0) != nil }
    guard !held.isEmpty else { throw XCTSkip("no recorded values for any of \(names)") }
    return held
  }

  /// The case's manifest.
  public static func manifest(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: try file(name, "manifest.json"))
    return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// A file of the case.
  /// - Throws: `XCTSkip` when the copy in use does not hold it.
  public static func file(_ name: String, _ file: String) throws -> URL {
    guard holds(name, file), let directory = directory(name) else {
      throw XCTSkip("no recorded values \(name)/\(file)")
    }
    return directory.appendingPathComponent(file)
  }

  /// Whether the copy in use holds this file of the case: the repository's own holds some of each
  /// case.
  public static func holds(_ name: String, _ file: String) -> Bool {
    directory(name).map {
      FileManager.default.fileExists(atPath: $0.appendingPathComponent(file).path)
    } ?? false
  }

  /// Those of `names` whose `.safetensors` file the copy in use holds.
  /// - Throws: `XCTSkip` when it holds none of them.
  public static func recordings(_ names: [String], of name: String) throws -> [String] {
    let held = names.filter { holds(name, $0 + ".safetensors") }
    guard !held.isEmpty else { throw XCTSkip("no recorded values for any of \(names) in \(name)") }
    return held
  }

  /// The tensors of one file of the case.
  public static func tensors(_ name: String, _ file: String) throws -> StateDict {
    try StateDict(everythingIn: try self.file(name, file).path)
  }
}
