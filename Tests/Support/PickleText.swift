import Foundation

/// Writes pickles operation by operation, as `torch.save` would and as it never would.
package enum PickleText {
  package static func pickle(_ body: [UInt8]) -> [UInt8] { [0x80, 2] + body + [UInt8(ascii: ".")] }

  package static func text(_ text: String) -> [UInt8] {
    [UInt8(ascii: "X")] + little(UInt32(text.utf8.count)) + text.utf8
  }

  package static func integer(_ value: Int) -> [UInt8] {
    [0x8A, 8] + little(UInt64(bitPattern: Int64(value)))
  }

  package static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  package static func keep(_ index: UInt8) -> [UInt8] { [UInt8(ascii: "q"), index] }

  package static func recall(_ index: UInt8) -> [UInt8] { [UInt8(ascii: "h"), index] }

  package static func tuple(_ items: [[UInt8]]) -> [UInt8] {
    [UInt8(ascii: "(")] + items.flatMap { $0 } + [UInt8(ascii: "t")]
  }

  /// Adds keys with their values to the dictionary on top.
  package static func items(_ pairs: [[UInt8]]) -> [UInt8] {
    [UInt8(ascii: "(")] + pairs.flatMap { $0 } + [UInt8(ascii: "u")]
  }

  package static func dictionary(_ values: [String: [UInt8]]) -> [UInt8] {
    [UInt8(ascii: "}")] + items(values.sorted { $0.key < $1.key }.map { text($0) + $1 })
  }

  package static func list(_ items: [[UInt8]]) -> [UInt8] {
    [UInt8(ascii: "]"), UInt8(ascii: "(")] + items.flatMap { $0 } + [UInt8(ascii: "e")]
  }

  /// `module.name(arguments)`.
  package static func call(_ module: String, _ name: String, _ arguments: [[UInt8]]) -> [UInt8] {
    global(module, name) + tuple(arguments) + [UInt8(ascii: "R")]
  }

  package static func storage(
    _ key: String, _ type: String, _ count: Int, view: [UInt8]? = nil
  ) -> [UInt8] {
    let module = type == "Untyped" ? "torch.storage" : "torch"
    let parts = [
      text("storage"), global(module, type + "Storage"), text(key), text("cpu"), integer(count),
    ]
    return tuple(parts + [view].compactMap { $0 }) + [UInt8(ascii: "Q")]
  }

  package static func tensor(
    storage key: String, type: String = "Float", count: Int, offset: Int = 0, shape: [Int],
    strides: [Int], note: [UInt8]? = nil, element: String? = nil, view: [UInt8]? = nil
  ) -> [UInt8] {
    let hooks = call("collections", "OrderedDict", [])
    let arguments = [
      storage(key, type, count, view: view), integer(offset), tuple(shape.map(integer)),
      tuple(strides.map(integer)), [0x89], hooks,
    ]
    let further = [element.map { global("torch", $0) }, note].compactMap { $0 }
    return call(
      "torch._utils", element == nil ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3",
      arguments + further)
  }

  package static func floats(_ values: [Float]) -> [UInt8] {
    values.flatMap { little($0.bitPattern) }
  }

  package static func little<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }
}

/// A file of the form from before PyTorch 1.6, with one storage "0" of the floats 1, 2, 3, 4.
package struct LegacyFile {
  package let object: [UInt8]
  package var isLittleEndian = true

  package init(_ object: [UInt8]) { self.object = object }

  package var bytes: [UInt8] {
    let magic: [UInt8] = [0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    let system = PickleText.dictionary(["little_endian": [isLittleEndian ? 0x88 : 0x89]])
    let keys = [UInt8(ascii: "]")] + PickleText.text("0") + [UInt8(ascii: "a")]
    return [magic, PickleText.integer(1001), system, object, keys].flatMap(PickleText.pickle)
      + PickleText.little(UInt64(4)) + PickleText.floats([1, 2, 3, 4])
  }
}

/// A zip archive.
/// - Parameters:
///   - name: a listed entry that is listed so often more, under other names.
///   - isDeflated: whether entries are deflate streams, of stored blocks.
///   - claiming: the size that such entries of more than 1000 bytes claim to unpack to.
package func zip(
  _ files: [(name: String, bytes: [UInt8])], repeating name: (String, Int)? = nil,
  isDeflated: Bool = false, claiming claimed: Int? = nil
) -> [UInt8] {
  var (body, directory, count) = ([UInt8](), [UInt8](), 0)
  for (fileName, bytes) in files {
    let offset = UInt32(body.count)
    let packed = isDeflated ? deflated(bytes) : bytes
    func fields(_ name: String) -> [UInt8] {
      let sizes =
        PickleText.little(UInt32(packed.count))
        + PickleText.little(UInt32(bytes.count > 1000 ? claimed ?? bytes.count : bytes.count))
      return [0, 0, isDeflated ? 8 : 0, 0, 0, 0, 0, 0] + PickleText.little(checksum(bytes)) + sizes
        + PickleText.little(UInt16(name.utf8.count)) + [0, 0]
    }
    func list(_ name: String) {
      directory += Array("PK\u{1}\u{2}".utf8) + [20, 0, 20, 0] + fields(name)
      directory += [UInt8](repeating: 0, count: 10) + PickleText.little(offset) + name.utf8
      count += 1
    }
    body += Array("PK\u{3}\u{4}".utf8) + [20, 0] + fields(fileName) + fileName.utf8 + packed
    list(fileName)
    if let name, name.0 == fileName { for index in 0..<name.1 { list("\(fileName)-\(index)") } }
  }
  let counts = PickleText.little(UInt16(count)) + PickleText.little(UInt16(count))
  return body + directory + Array("PK\u{5}\u{6}".utf8) + [0, 0, 0, 0] + counts
    + PickleText.little(UInt32(directory.count)) + PickleText.little(UInt32(body.count)) + [0, 0]
}

/// A deflate stream that stores: the last block, or another one follows, its length and that
/// inverted.
private func deflated(_ bytes: [UInt8]) -> [UInt8] {
  let blocks = stride(from: 0, to: max(1, bytes.count), by: 0xFFFF).map {
    bytes[$0..<min($0 + 0xFFFF, bytes.count)]
  }
  return blocks.enumerated().flatMap { index, block in
    let length = UInt16(block.count)
    return [index == blocks.count - 1 ? 1 : 0] + PickleText.little(length)
      + PickleText.little(~length) + block
  }
}

/// CRC-32, as zip and PNG have it.
package func checksum(_ bytes: [UInt8]) -> UInt32 {
  var value = UInt32.max
  for byte in bytes {
    value ^= UInt32(byte)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }
  return ~value
}
