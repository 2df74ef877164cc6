import Foundation

extension Console {
  /// Prints a value as JSON: numbers that are not finite are null, names of files that are no UTF-8
  /// get U+FFFD.
  static func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    write(Array(try encoder.encode(value)) + [UInt8(ascii: "\n")])
  }
}
