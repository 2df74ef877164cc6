import Foundation

/// Reads a safetensors file: eight bytes of header length, a JSON header, then the tensors' bytes, which
/// must fill the rest of the file without hole or overlap.
struct SafetensorsReader {
  let path: String
  let data: Data
  /// The format's own limit for the header.
  private static let largestHeader = 100_000_000

  func stateDict() throws -> StateDict {
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
    let tensors = try header.entries.map { try tensor($0, start: start) }
    return StateDict(tensors: tensors, metadata: header.metadata, format: "safetensors")
  }

  private func tensor(_ entry: SafetensorsHeader.Entry, start: Int) throws -> NamedTensor {
    guard let type = ElementType(rawValue: entry.type) else {
      let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      throw fault("tensor '\(entry.name)' has type \(entry.type), expected one of \(known)")
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
    let values = data.withUnsafeBytes { raw in
      type.decode(
        UnsafeRawBufferPointer(rebasing: raw[start + entry.begin..<start + entry.end]), count: count
      )
    }
    return NamedTensor(name: entry.name, shape: entry.shape, type: type, values: values)
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

extension StateDict {
  /// Writes the tensors as safetensors, whole or not at all; integers are kept as 32-bit floats.
  /// - Throws: `FileError` naming the file and the system's reason.
  public func writeSafetensors(to path: String, as type: ElementType = .float32) throws {
    let bytes = encodeSafetensors(as: type)
    try bytes.withUnsafeBytes { try writeAtomically($0, to: path) }
  }

  /// The bytes of a safetensors file with every tensor stored as `type`, names sorted as they stand.
  public func encodeSafetensors(as type: ElementType = .float32) -> [UInt8] {
    precondition(type != .int64, "encodeSafetensors: weights are not integers")
    var fields: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map {
        "\(quoted($0.key)):\(quoted($0.value))"
      }
      fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.values.count * type.size
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      fields.append(
        "\(quoted(tensor.name)):{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var header = Array("{\(fields.joined(separator: ","))}".utf8)
    // Data starts on a multiple of eight bytes.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    var bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    bytes.reserveCapacity(bytes.count + offset)
    for tensor in tensors {
      if type == .float32 {
        tensor.values.withUnsafeBytes { bytes.append(contentsOf: $0) }
      } else {
        for value in tensor.values { bytes.append(contentsOf: type.encode(value) ?? []) }
      }
    }
    return bytes
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
