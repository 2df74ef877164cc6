import Foundation
import XCTest

/// What CONTRIBUTING.md says of the sources, read from the sources.
final class StructureTests: XCTestCase {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func text(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
  }

  /// The Swift files below a folder, and their lines; what is generated has the form that its
  /// generator gives it.
  private func sources(_ folder: String) throws -> [(path: String, lines: [Substring])] {
    let names = try FileManager.default.subpathsOfDirectory(
      atPath: Self.root.appendingPathComponent(folder).path)
    return try names.filter {
      $0.hasSuffix(".swift") && !$0.hasSuffix(".pb.swift")
    }.sorted().map { name in
      let path = "\(folder)/\(name)"
      return (path, try text(path).split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  /// The rows of the table of layers: a module, and those of this package that it imports.
  private func layers() throws -> [(module: String, imports: Set<String>)] {
    try text("CONTRIBUTING.md").split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
      guard line.hasPrefix("| `"), cells.count == 5 else { return nil }
      let imports = cells[2].split(separator: ",").map {
        $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
      }
      return (cells[1], Set(imports))
    }
  }

  /// The table of layers is what the modules do: nothing more is imported, and nothing less.
  func testModulesImportWhatTheTableSays() throws {
    let layers = try layers()
    let modules = Set(layers.map(\.module))
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Self.root.appendingPathComponent("Sources").path)
    XCTAssertEqual(modules, Set(folders))
    for (module, expected) in layers {
      var found: Set<String> = []
      for (_, lines) in try sources("Sources/\(module)") {
        for line in lines where line.hasPrefix("import ") {
          let name = String(line.dropFirst(7))
          if modules.contains(name) { found.insert(name) }
        }
      }
      XCTAssertEqual(found, expected, "\(module) imports \(found.sorted())")
    }
    // A module stands below those that import it.
    for (index, (module, imports)) in layers.enumerated() {
      let below = Set(layers[..<index].map(\.module))
      XCTAssertTrue(imports.isSubset(of: below), "\(module) imports what is not below it")
    }
  }

  /// The model is the paper's: how devices like to compute is decided elsewhere.
  func testTheModelKnowsNoDevices() throws {
    let pattern = try Regex(
      "(?i)\\bbands?\\b|depthwiseGate|\\bdevices?\\b|backend|\\b[CG]PU|OpenCL")
    for (path, lines) in try sources("Sources/Restormer/Model") {
      for line in lines { XCTAssertNil(line.firstMatch(of: pattern), "\(path): \(line)") }
    }
  }

  /// The layers that a GPU programmer reads say why: a fifth to three tenths of their lines.
  func testDeviceCodeIsCommented() throws {
    for module in ["CLBackend", "Kernels"] {
      var (comments, all) = (0, 0)
      for (_, lines) in try sources("Sources/\(module)") {
        for line in lines where !line.allSatisfy(\.isWhitespace) {
          all += 1
          if line.drop(while: { $0 == " " }).hasPrefix("//") { comments += 1 }
        }
      }
      let share = Double(comments) / Double(all)
      XCTAssertTrue((0.2...0.3).contains(share), "\(module): \(comments) of \(all) lines")
    }
  }

  /// `swift format` lets the lines of literals be as long as they like.
  func testLinesHaveAtMost100Columns() throws {
    let package = ("Package.swift", try text("Package.swift").split(separator: "\n"))
    for (path, lines) in try ["Sources", "Tests", "Fuzz"].flatMap(sources) + [package] {
      for line in lines { XCTAssertLessThanOrEqual(line.count, 100, "\(path): \(line)") }
    }
  }
}
