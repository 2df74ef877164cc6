/// Comma-separated values as RFC 4180 has them.
package enum CSV {
  package static let quote = UInt8(ascii: "\"")
  private static let special = Set(",\"\r\n".utf8)

  /// `text` as a field: in quotes where it needs them, names of files as their bytes.
  package static func field(_ text: String) -> [UInt8] {
    let bytes = text.systemBytes
    guard bytes.contains(where: special.contains) else { return bytes }
    return [quote] + escaped(text) + [quote]
  }

  /// `text` as it stands between quotes.
  package static func escaped(_ text: String) -> [UInt8] {
    text.systemBytes.flatMap { $0 == quote ? [quote, quote] : [$0] }
  }
}
