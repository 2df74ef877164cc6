// To the system a path is bytes; the program carries it as a string.
//
// A byte that is no UTF-8 stands in the string as one character of U+10F780...U+10F7FF. Where a
// name really has such a character, its bytes are carried likewise: every name becomes one string,
// and that string the name again.

private let escapes: ClosedRange<UInt32> = 0x10F780...0x10F7FF
private let escapeOffset: UInt32 = 0x10F700

extension String {
  /// The path that the system knows as `bytes`.
  package init(systemBytes bytes: some Collection<UInt8>) {
    self.init()
    var parser = Unicode.UTF8.ForwardParser()
    var (iterator, rest) = (bytes.makeIterator(), bytes[...])
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        if escapes.contains(scalar.value) {
          appendEscaped(rest.prefix(encoded.count))
        } else {
          unicodeScalars.append(scalar)
        }
        rest = rest.dropFirst(encoded.count)
      case .error(let length):
        appendEscaped(rest.prefix(length))
        rest = rest.dropFirst(length)
      case .emptyInput: return
      }
    }
  }

  private mutating func appendEscaped(_ bytes: some Sequence<UInt8>) {
    for byte in bytes {
      guard let scalar = Unicode.Scalar(escapeOffset + UInt32(byte)) else { continue }
      unicodeScalars.append(scalar)
    }
  }

  /// The bytes by which the system knows this path.
  package var systemBytes: [UInt8] {
    guard !isUTF8Name else { return Array(utf8) }
    return unicodeScalars.flatMap { scalar in
      escapes.contains(scalar.value)
        ? [UInt8(scalar.value - escapeOffset)] : Array(String(scalar).utf8)
    }
  }

  /// The path as system calls take it.
  package var systemPath: [CChar] { systemBytes.map(CChar.init(bitPattern:)) + [0] }

  /// Whether the system's bytes are those of the string.
  package var isUTF8Name: Bool { !unicodeScalars.contains { escapes.contains($0.value) } }

  /// The path for people and for formats that take UTF-8 alone: bytes that are none become U+FFFD.
  package var printable: String {
    isUTF8Name ? self : String(decoding: systemBytes, as: UTF8.self)
  }
}

extension String {
  private static let slash = UInt8(ascii: "/")

  /// What follows the last slash; slashes at the end do not count.
  package var fileName: String {
    let path = utf8.trimmingLast { $0 == Self.slash }
    return path.lastIndex(of: Self.slash).map { String(Substring(path[path.index(after: $0)...])) }
      ?? String(Substring(path))
  }

  /// The folder of the file, empty for a path without one.
  package var folderPath: String {
    let path = utf8.trimmingLast { $0 == Self.slash }
    guard let slash = path.lastIndex(of: Self.slash) else { return "" }
    let folder = path[..<slash].trimmingLast { $0 == Self.slash }
    return folder.isEmpty ? "/" : String(Substring(folder))
  }

  /// The file's name without its extension.
  package var fileStem: String {
    let name = fileName
    return extensionDot(in: name).map { String(name[..<$0]) } ?? name
  }

  /// What follows the last dot of the file's name; empty without one, and where nothing precedes or
  /// follows it.
  package var fileExtension: String {
    let name = fileName
    return extensionDot(in: name).map { String(Substring(name.utf8[$0...].dropFirst())) } ?? ""
  }

  private func extensionDot(in name: String) -> String.Index? {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex,
      name.utf8.index(after: dot) < name.endIndex
    else { return nil }
    return dot
  }

  /// The path of `name` in this folder.
  package func appending(fileName name: String) -> String {
    isEmpty || utf8.last == Self.slash ? self + name : "\(self)/\(name)"
  }

  /// The order of names by their bytes. Strings compare by what is seen, and two names can look the
  /// same.
  package static func precedes(_ a: String, _ b: String) -> Bool {
    a.utf8.lexicographicallyPrecedes(b.utf8)
  }
}

extension BidirectionalCollection {
  fileprivate func trimmingLast(while matches: (Element) -> Bool) -> SubSequence {
    var end = endIndex
    while end > startIndex, case let before = index(before: end), matches(self[before]) {
      end = before
    }
    return self[..<end]
  }
}
