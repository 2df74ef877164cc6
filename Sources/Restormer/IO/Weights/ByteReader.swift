import Foundation

/// Reads little-endian numbers from bytes; running past the end is an error, never a crash.
struct ByteReader {
  private let data: Data
  private(set) var position: Int
  private let end: Int

  /// Reads `data[range]`; positions count from the start of `data`.
  init(_ data: Data, range: Range<Int>) {
    precondition(data.startIndex == 0 && range.upperBound <= data.count, "ByteReader: \(range)")
    self.data = data
    (position, end) = (range.lowerBound, range.upperBound)
  }

  var remaining: Int { end - position }

  mutating func byte() throws -> UInt8 {
    guard position < end else {
      throw PickleFault("ends at byte \(position), where more must follow")
    }
    defer { position += 1 }
    return data[position]
  }

  mutating func unsigned(bytes count: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try byte()) << UInt64(8 * index) }
    return value
  }

  /// A length that the file claims; it can never be more than what is left.
  mutating func length(bytes count: Int) throws -> Int {
    let value = try unsigned(bytes: count)
    guard value <= UInt64(remaining) else {
      throw PickleFault("claims \(value) bytes where \(remaining) are left")
    }
    return Int(value)
  }

  mutating func bytes(_ count: Int) throws -> Data {
    guard count >= 0, count <= remaining else {
      throw PickleFault("ends at byte \(end), where \(count) bytes must follow byte \(position)")
    }
    defer { position += count }
    return data.subdata(in: position..<position + count)
  }

  /// Up to `count` bytes that follow, without reading them.
  func upcoming(_ count: Int) -> Data { data[position..<min(position + count, end)] }

  mutating func text(_ count: Int) throws -> String {
    String(decoding: try bytes(count), as: UTF8.self)
  }

  mutating func line() throws -> String {
    var text: [UInt8] = []
    while true {
      let next = try byte()
      if next == 0x0A { return String(decoding: text, as: UTF8.self) }
      guard text.count < 1000 else { throw PickleFault("has a line of more than 1000 bytes") }
      text.append(next)
    }
  }
}

/// What is wrong with a pickle or its archive.
struct PickleFault: Error {
  let text: String

  init(_ text: String) { self.text = text }
}
