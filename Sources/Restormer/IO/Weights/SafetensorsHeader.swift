/// The header of a safetensors file: a JSON object of fixed form, read strictly and without
/// recursion.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    let type: String
    let shape: [Int]
    let begin: Int
    let end: Int
  }

  private(set) var entries: [Entry] = []
  private(set) var metadata: [String: String] = [:]

  /// Twice as many as the largest network has: five times 256 blocks of 17 each. It bounds the
  /// memory that a hostile header takes.
  private static let mostTensors = 44_000

  /// - Throws: `HeaderFault` describing the first thing that is not as it must be.
  init(json: [UInt8]) throws {
    var scanner = JSONScanner(bytes: json)
    var names: Set<String> = []
    try scanner.object { scanner, name in
      guard names.insert(name).inserted else {
        throw HeaderFault("the name '\(name)' appears twice")
      }
      if name == "__metadata__" {
        try scanner.object { scanner, key in metadata[key] = try scanner.string() }
      } else {
        guard entries.count < Self.mostTensors else {
          throw HeaderFault("the header lists more than \(Self.mostTensors) tensors")
        }
        entries.append(try Self.entry(name, &scanner))
      }
    }
    try scanner.expectEnd()
  }

  private static func entry(_ name: String, _ scanner: inout JSONScanner) throws -> Entry {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { scanner, key in
      switch key {
      case "dtype": type = try scanner.string()
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default: throw HeaderFault("tensor '\(name)' has an unknown field '\(key)'")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw HeaderFault("tensor '\(name)' lacks dtype, shape or two data_offsets")
    }
    return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }
}

/// What is wrong with a header.
struct HeaderFault: Error {
  let text: String

  init(_ text: String) { self.text = text }
}

/// Just enough JSON: objects with string keys, strings, arrays of non-negative integers.
struct JSONScanner {
  private let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
    try expect("{")
    if skip("}") { return }
    repeat {
      let key = try string()
      try expect(":")
      try member(&self, key)
    } while skip(",")
    try expect("}")
  }

  mutating func integers() throws -> [Int] {
    try expect("[")
    if skip("]") { return [] }
    var values: [Int] = []
    repeat { values.append(try integer()) } while skip(",")
    try expect("]")
    return values
  }

  mutating func string() throws -> String {
    try expect("\"")
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") {
        try text.append(contentsOf: escape())
      } else if byte < 0x20 {
        throw HeaderFault("control character in a string of the header")
      } else {
        text.append(byte)
      }
    }
    throw HeaderFault("the header ends within a string")
  }

  mutating func expectEnd() throws {
    skipSpace()
    guard position == bytes.count else {
      throw HeaderFault("text follows the header's object at byte \(position)")
    }
  }

  private mutating func integer() throws -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position])
    {
      let (scaled, overflowA) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowB) = scaled.addingReportingOverflow(
        Int(bytes[position] - UInt8(ascii: "0")))
      guard !overflowA, !overflowB else { throw HeaderFault("a number of the header is too large") }
      value = sum
      position += 1
    }
    guard position > start else {
      throw HeaderFault("expected a non-negative integer at byte \(position) of the header")
    }
    return value
  }

  private mutating func escape() throws -> [UInt8] {
    guard position < bytes.count else { throw HeaderFault("the header ends within a string") }
    let code = bytes[position]
    position += 1
    switch code {
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [code]
    case UInt8(ascii: "u"): return Array(String(try unicode()).utf8)
    default: throw HeaderFault("unknown escape in a string of the header")
    }
  }

  private mutating func unicode() throws -> Character {
    let first = try hexadecimal()
    if (0xD800..<0xDC00).contains(first) {
      guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      else { throw HeaderFault("half a surrogate pair in the header") }
      position += 2
      let second = try hexadecimal()
      guard (0xDC00..<0xE000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
      else { throw HeaderFault("half a surrogate pair in the header") }
      return Character(scalar)
    }
    guard let scalar = Unicode.Scalar(first) else {
      throw HeaderFault("half a surrogate pair in the header")
    }
    return Character(scalar)
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard position + 4 <= bytes.count,
      let value = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw HeaderFault("a \\u escape of the header lacks four hexadecimal digits") }
    position += 4
    return value
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
  }

  private mutating func skip(_ character: Character) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Character) throws {
    guard skip(character) else {
      throw HeaderFault("expected '\(character)' at byte \(position) of the header")
    }
  }
}
