import Kernels
import XCTest

/// What `kernels.cl` promises its reader about names, numbers and the heads of sections.
final class KernelSourceTests: XCTestCase {
  private static let lines = KernelSource.text.split(
    separator: "\n", omittingEmptySubsequences: false
  ).map(String.init)

  /// A number that both sides must know has one home, in Swift.
  func testNumbersHaveNoDefaultInKernels() {
    var names: [String] = []
    for (line, next) in zip(Self.lines, Self.lines.dropFirst()) where line.hasPrefix("#ifndef ") {
      let name = String(line.dropFirst(8))
      if name == "CPU_DEVICE" { continue }
      names.append(name)
      XCTAssertTrue(
        next.hasPrefix("#error \"\(name): ") && next.contains(", such as "),
        "\(name): expected a line that says what it means, found \(next)")
    }
    XCTAssertGreaterThan(names.count, 25)
    for family in [DeviceTraits.Kind.cpu, .gpu] {
      let configuration = KernelConfiguration(for: family)
      let passed = KernelSource.names.reduce(into: Set<String>()) { all, section in
        all.formUnion(KernelNumbers.all(of: section, configuration).keys)
      }
      XCTAssertEqual(passed, Set(names), "\(family)")
    }
  }

  /// Every section opens with its formula, with who computes what, and with its tunables.
  func testSectionsOpenWithWhatTheyDo() throws {
    for name in KernelSource.names where name != "Common" {
      let section = try XCTUnwrap(KernelSource.sections[name])
      let head = section.split(separator: "\n").prefix { $0.hasPrefix("//") }
        .joined(separator: "\n")
      for part in ["=", "Indices", "Tunables:"] {
        XCTAssertTrue(head.contains(part), "\(name) opens without '\(part)'")
      }
    }
  }

  /// A kernel's name ends in its form, and sums are named after what they add up.
  func testKernelsAreNamedByTheRule() throws {
    let pattern = try Regex("__kernel[^;{]*?void ([a-z0-9_]+)\\(")
    let names = KernelSource.text.matches(of: pattern).compactMap { $0.output[1].substring }
      .map(String.init)
    XCTAssertGreaterThan(names.count, 50)
    for name in names {
      if name.hasSuffix("_sum") {
        let summed = String(name.dropLast(4))
        XCTAssertTrue(names.contains { $0 != name && $0.hasPrefix(summed) }, name)
      }
      for form in ["_tile", "_group", "_total", "_rows", "_gpu", "_cpu"] {
        XCTAssertFalse(name.hasSuffix(form), name)
      }
      if let backward = name.range(of: "_backward") {
        let rest = name[backward.upperBound...]
        let known = ["", "_input", "_weight"].contains { part in
          rest.hasPrefix(part)
            && ["", "_tiles", "_groups", "_sum", "_tiles_sum"].contains(rest.dropFirst(part.count))
        }
        XCTAssertTrue(known || name.hasPrefix("attention_"), name)
      }
    }
  }
}
