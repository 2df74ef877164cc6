import Foundation

/// Reads a safetensors file: eight bytes of header length, a JSON header, then the tensors' bytes,
/// which must fill the rest of the file without hole or overlap.
struct SafetensorsReader {
  let path: String
  let data: Data
  /// The format's own limit for the header.
  private static let largestHeader = 100_000_000

  /// - Parameters:
  ///   - key: which of several sets of weights to take.
  ///   - isWhole: give all tensors under their own names instead.
  func stateDict(key: String? = nil, isWhole: Bool = false) throws -> StateDict {
    let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(min(Self.largestHeader, data.count - 8)) else {
      throw fault(
        "header of \(length) bytes in a file of \(data.count): no .safetensors or PyTorch file")
    }
    let start = 8 + Int(length)
    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(json: Array(data[8..<start]))
    } catch let error as HeaderFault {
      throw fault(error.text)
    }
    try checkCoverage(header.entries, bytes: data.count - start)
    for entry in header.entries where ElementType(rawValue: entry.type) != nil {
      _ = try type(of: entry)
    }
    let sets =
      isWhole ? [] : WeightSet.sets(among: header.entries.map { ($0.name, $0) }, under: [])
    guard let (set, notes) = try choose(among: sets, key: key) else {
      let tensors = try header.entries.map { try tensor($0, called: $0.name, start: start) }
      return StateDict(tensors: tensors, metadata: header.metadata)
    }
    let (readable, unreadable) = set.members { Self.fault(of: $0, called: $1) }
    var state = StateDict(
      tensors: try readable.map { try tensor($0.value, called: $0.name, start: start) },
      metadata: header.metadata, format: set.format("safetensors"))
    (state.notes, state.leftOut, state.unreadable) = (notes, set.strangers, unreadable)
    return state
  }

  /// Why the elements of an entry cannot be read; nil where they can.
  private static func fault(of entry: SafetensorsHeader.Entry, called name: String) -> String? {
    guard ElementType(rawValue: entry.type) == nil else { return nil }
    let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
    return "tensor '\(name)' has type \(entry.type), expected one of \(known)"
  }

  private func choose<Value>(
    among sets: [WeightSet<Value>], key: String?
  ) throws -> (WeightSet<Value>, notes: [String])? {
    do {
      return try WeightSet.choose(among: sets, key: key)
    } catch let error as PickleFault {
      throw fault(error.text)
    }
  }

  /// The type of an entry whose shape and bytes agree.
  private func type(of entry: SafetensorsHeader.Entry) throws -> ElementType {
    guard let type = ElementType(rawValue: entry.type) else {
      throw fault(Self.fault(of: entry, called: entry.name) ?? "")
    }
    var count = 1
    for extent in entry.shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw fault("the shape of tensor '\(entry.name)' overflows") }
      count = product
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: type.size)
    guard !overflow, bytes == entry.end - entry.begin else {
      throw fault(
        "tensor '\(entry.name)' \(entry.shape) of \(type.rawValue) has "
          + "\(entry.end - entry.begin) bytes of data")
    }
    return type
  }

  private func tensor(
    _ entry: SafetensorsHeader.Entry, called name: String, start: Int
  ) throws -> NamedTensor {
    let type = try type(of: entry)
    let values = data.withUnsafeBytes { raw in
      let bytes = raw[start + entry.begin..<start + entry.end]
      return type.decode(
        UnsafeRawBufferPointer(rebasing: bytes), count: entry.shape.reduce(1, *))
    }
    return NamedTensor(name: name, shape: entry.shape, type: type, values: values)
  }

  private func checkCoverage(_ entries: [SafetensorsHeader.Entry], bytes: Int) throws {
    var position = 0
    for entry in entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard entry.begin <= entry.end, entry.end <= bytes else {
        throw fault(
          "tensor '\(entry.name)' lies at \(entry.begin)..<\(entry.end) of \(bytes) bytes of data")
      }
      guard entry.begin == position else {
        throw fault(
          "tensor '\(entry.name)' begins at \(entry.begin), expected \(position): "
            + (entry.begin < position ? "tensors overlap" : "there is a hole"))
      }
      position = entry.end
    }
    guard position == bytes else {
      throw fault("\(bytes - position) bytes follow the last tensor")
    }
  }

  private func fault(_ text: String) -> WeightsError { WeightsError(path: path, fault: text) }
}

/// Writes a safetensors file piece by piece: tensors that lie on a device need not be in memory
/// together.
struct SafetensorsWriter {
  /// A tensor whose values are fetched when their turn comes, a stretch at a time.
  struct Entry {
    let name: String
    let shape: [Int]
    let values: (Range<Int>) throws -> [Float]
  }

  /// Values that are in memory at a time.
  private static let stretch = 1 << 20

  let entries: [Entry]
  let metadata: [String: String]
  let type: ElementType

  /// Writes the file, whole or not at all.
  /// - Throws: `FileError` naming the file and the system's reason; what fetching values throws.
  func write(to path: String) throws {
    let file = try AtomicFile(path: path)
    try append(header, to: file)
    for entry in entries {
      let count = entry.shape.reduce(1, *)
      for start in stride(from: 0, to: count, by: Self.stretch) {
        try append(entry, start..<min(start + Self.stretch, count), to: file)
      }
    }
    try file.commit()
  }

  private func append(_ entry: Entry, _ range: Range<Int>, to file: AtomicFile) throws {
    let values = try entry.values(range)
    precondition(values.count == range.count, "\(entry.name): \(values.count) values of \(range)")
    if type == .float32 {
      try values.withUnsafeBytes { try file.write($0) }
    } else {
      try append(values.flatMap { type.encode($0) ?? [] }, to: file)
    }
  }

  private func append(_ bytes: [UInt8], to file: AtomicFile) throws {
    try bytes.withUnsafeBytes { try file.write($0) }
  }

  /// Length, then a JSON object, filled up so that data starts on a multiple of eight bytes.
  var header: [UInt8] {
    precondition(ElementType.written.contains(type), "SafetensorsWriter: \(type)")
    var fields: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map {
        "\(quoted($0.key)):\(quoted($0.value))"
      }
      fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for entry in entries {
      let end = offset + entry.shape.reduce(1, *) * type.size
      let shape = entry.shape.map(String.init).joined(separator: ",")
      fields.append(
        "\(quoted(entry.name)):{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var text = Array("{\(fields.joined(separator: ","))}".utf8)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20:
        result +=
          "\\u" + String(repeating: "0", count: scalar.value < 16 ? 3 : 2)
          + String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension StateDict {
  /// Writes the tensors as safetensors with every element stored as `type`, whole or not at all.
  /// - Throws: `FileError` naming the file and the system's reason.
  public func writeSafetensors(to path: String, as type: ElementType = .float32) throws {
    let entries = tensors.map { tensor in
      SafetensorsWriter.Entry(name: tensor.name, shape: tensor.shape) { Array(tensor.values[$0]) }
    }
    try SafetensorsWriter(entries: entries, metadata: metadata, type: type).write(to: path)
  }
}
