import CKernelSource

/// The embedded text of `kernels.cl`, cut into its sections.
///
/// A section starts at a line `// ---- Name ----`. What stands before the first is the header; the
/// section `Common` goes with every other one. Header, common and one section are the unit of compilation.
package enum KernelSource {
  /// The whole file.
  package static let text = String(cString: restormer_kernel_source_text())

  /// Sections by name, the header under the empty name.
  package static let sections: [String: String] = parse(text)

  /// Section names in the order of the file.
  package static let names: [String] = text.split(separator: "\n").compactMap { title(of: $0) }

  /// The compilable source of one section, or nil for an unknown name.
  package static func unit(_ section: String) -> String? {
    guard let body = sections[section] else { return nil }
    return [sections[""], sections["Common"], body].compactMap { $0 }.joined(separator: "\n")
  }

  static func parse(_ text: String) -> [String: String] {
    var result: [String: String] = [:]
    var current = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let name = title(of: line) { current = name }
      result[current, default: ""] += line + "\n"
    }
    return result
  }

  private static func title(of line: Substring) -> String? {
    guard line.hasPrefix("// ---- "), line.hasSuffix(" ----"), line.count > 13 else { return nil }
    return String(line.dropFirst(8).dropLast(5))
  }
}
