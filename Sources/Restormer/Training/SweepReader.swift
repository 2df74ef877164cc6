import Yams

/// Reads a sweep's file by its nodes: values keep the order and the letters of the file, so that
/// `1e-3` and `on` stay what they are on the command line.
struct SweepReader {
  let path: String
  private let known: [String]
  private let root: Node.Mapping

  init(path: String, known: [String]) throws {
    (self.path, self.known) = (path, known)
    let node = try YAMLText.root(of: path)
    guard let mapping = node?.mapping else {
      throw DataError("\(path): no sweep in it, expected 'grid:' and below it 'option: [values]'")
    }
    root = mapping
  }

  /// The parts of a sweep's file.
  func sections() throws -> (name: String?, base: Node?, grid: Node?) {
    let parts = ["name", "base", "grid"]
    for (key, _) in root {
      guard let key = key.string, parts.contains(key) else {
        throw DataError(
          "\(path): unknown key \(key.string ?? "that is no text"), expected name, base or grid")
      }
    }
    if let name = root["name"], name.scalar == nil {
      throw DataError("\(path): name: expected a text")
    }
    return (root["name"]?.scalar?.string, root["base"], root["grid"])
  }

  /// Options with one value each.
  func settings(_ node: Node, in place: String) throws -> [SweepFile.Setting] {
    guard let mapping = node.mapping else {
      throw DataError("\(path): \(place): expected 'option: value' lines")
    }
    return try mapping.map { key, value in
      let name = try option(key, in: place)
      guard let text = value.scalar?.string, !text.isEmpty else {
        throw DataError("\(path): \(place).\(name): expected one value")
      }
      return SweepFile.Setting(key: name, value: text)
    }
  }

  /// Options with the values to try.
  func grid(_ node: Node?) throws -> [(key: String, choices: [SweepFile.Choice])] {
    guard let mapping = node?.mapping, !mapping.isEmpty else {
      throw DataError("\(path): no grid, expected 'grid:' and below it 'option: [values]'")
    }
    return try mapping.map { key, value in
      let name = try option(key, in: "grid")
      let nodes = value.sequence.map(Array.init) ?? [value]
      guard !nodes.isEmpty else { throw DataError("\(path): grid.\(name): no values") }
      return (name, try nodes.map { try choice($0, of: "grid.\(name)") })
    }
  }

  private func choice(_ node: Node, of place: String) throws -> SweepFile.Choice {
    if let text = node.scalar?.string, !text.isEmpty {
      return SweepFile.Choice(value: text, further: [])
    }
    guard let mapping = node.mapping, mapping.count == 1, let pair = mapping.first,
      let value = pair.key.scalar?.string
    else {
      throw DataError("\(path): \(place): expected values, or 'value: {option: value}'")
    }
    return SweepFile.Choice(
      value: value, further: try settings(pair.value, in: "\(place).\(value)"))
  }

  private func option(_ key: Node, in place: String) throws -> String {
    let name = key.string ?? ""
    guard known.contains(name) else {
      let hint = nearestName(to: name, among: known).map { ", did you mean \($0)?" } ?? ""
      throw DataError("\(path): unknown key \(place).\(name)\(hint)")
    }
    return name
  }
}
