import Foundation
import Yams

/// Reads a user's YAML file by its nodes: values keep the letters of the file, so that `1e-3` and
/// `on` are what they are on a command line.
enum YAMLText {
  /// More bytes than this are no file of options.
  private static let most = 1 << 20

  /// The file's root, or nil for an empty one.
  /// - Throws: `FileError` when it cannot be read; `DataError` naming the file and the parser's
  ///   fault in one line.
  static func root(of path: String) throws -> Node? {
    let text = try text(of: path)
    do {
      return try Yams.compose(yaml: text)
    } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
      // Its own message repeats the whole section.
      throw DataError(
        "\(path): \(keys.map { "'\($0.prefix(60))'" }.joined(separator: ", ")) stands twice, "
          + "first at line \(context.mark.line)")
    } catch {
      // A parser's message shows the place over several lines.
      let lines = "\(error)".split(whereSeparator: \.isNewline)
      let line = lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
      throw DataError("\(path): \(line.prefix(300))")
    }
  }

  private static func text(of path: String) throws -> String {
    let descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.last("read", path) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard let bytes = try? file.read(upToCount: most + 1) ?? Data() else {
      throw FileError.last("read", path)
    }
    guard bytes.count <= most else {
      throw DataError("\(path): more than a megabyte, expected a file of options")
    }
    let marks: [(String.Encoding, [UInt8])] = [
      (.utf32LittleEndian, [0xFF, 0xFE, 0, 0]), (.utf32BigEndian, [0, 0, 0xFE, 0xFF]),
      (.utf16LittleEndian, [0xFF, 0xFE]), (.utf16BigEndian, [0xFE, 0xFF]),
      (.utf8, [0xEF, 0xBB, 0xBF]),
    ]
    let (encoding, mark) = marks.first { bytes.starts(with: $0.1) } ?? (.utf8, [])
    // UTF-16 without a mark looks like UTF-8 with zeros.
    let isWide = mark.isEmpty && bytes.prefix(2).contains(0)
    guard !isWide, let text = String(data: bytes.dropFirst(mark.count), encoding: encoding) else {
      throw DataError("\(path): not UTF-8 at line \(lineOfFault(bytes)): save it as UTF-8")
    }
    return text
  }

  /// The line of the first byte that is not UTF-8.
  private static func lineOfFault(_ bytes: Data) -> Int {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return 1 + (lines.firstIndex { String(data: $0, encoding: .utf8) == nil } ?? 0)
  }
}

extension Node {
  /// Whether it says nothing: `~`, `null` or no letters.
  var isNull: Bool {
    guard let scalar, scalar.style == .plain else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }
}

extension Node.Mapping {
  /// The pairs, those of mappings that are merged in by `<<` among them; a key's own value comes
  /// first.
  var merged: [(key: String, value: Node)] { merged(depth: 0) }

  private func merged(depth: Int) -> [(key: String, value: Node)] {
    var pairs: [(key: String, value: Node)] = []
    var known: Set<String> = []
    func add(_ new: [(key: String, value: Node)]) {
      pairs += new.filter { known.insert($0.key).inserted }
    }
    add(filter { $0.key.string != "<<" }.map { ($0.key.string ?? "that is no text", $0.value) })
    // A merge of merges of merges is no options file but an attack.
    guard depth < 4, let merge = first(where: { $0.key.string == "<<" })?.value else {
      return pairs
    }
    for other in merge.sequence.map(Array.init) ?? [merge] {
      if let mapping = other.mapping { add(mapping.merged(depth: depth + 1)) }
    }
    return pairs
  }
}

extension OptionValue {
  init(_ node: Node) {
    switch node {
    case .scalar(let scalar): self = .text(scalar.string)
    case .sequence(let sequence):
      let items = sequence.map { $0.scalar?.string }
      self = items.allSatisfy { $0 != nil } ? .list(items.compactMap { $0 }) : .section
    default: self = .section
    }
  }
}
