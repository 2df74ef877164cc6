import Foundation

/// How a file stores the elements of a tensor.
public enum ElementType: String, Sendable, CaseIterable {
  /// IEEE 32 bit.
  case float32 = "F32"
  /// IEEE 16 bit.
  case float16 = "F16"
  /// The upper half of an IEEE 32-bit number.
  case bfloat16 = "BF16"
  /// IEEE 64 bit.
  case float64 = "F64"
  /// Signed 64-bit integers.
  case int64 = "I64"

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .float16, .bfloat16: 2
    case .float32: 4
    case .float64, .int64: 8
    }
  }

  /// Reads `count` little-endian elements, widened or narrowed to `Float`.
  func decode(_ bytes: UnsafeRawBufferPointer, count: Int) -> [Float] {
    (0..<count).map { element($0, of: bytes) }
  }

  /// Reads the little-endian element number `index`, widened or narrowed to `Float`.
  func element(_ index: Int, of bytes: UnsafeRawBufferPointer) -> Float {
    switch self {
    case .float32:
      Float(bitPattern: UInt32(littleEndian: load(bytes, index)))
    case .float16:
      Float(Float16(bitPattern: UInt16(littleEndian: load(bytes, index))))
    case .bfloat16:
      Float(bitPattern: UInt32(UInt16(littleEndian: load(bytes, index))) << 16)
    case .float64:
      Float(Double(bitPattern: UInt64(littleEndian: load(bytes, index))))
    case .int64:
      Float(Int64(littleEndian: load(bytes, index)))
    }
  }

  private func load<Word>(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Word {
    bytes.loadUnaligned(fromByteOffset: index * size, as: Word.self)
  }

  /// `value` as this type's little-endian bytes; nil for integers, which weights never are.
  func encode(_ value: Float) -> [UInt8]? {
    switch self {
    case .float32: bytes(of: value.bitPattern)
    case .float16: bytes(of: Float16(value).bitPattern)
    case .bfloat16: bytes(of: roundedToBFloat16(value))
    case .float64: bytes(of: Double(value).bitPattern)
    case .int64: nil
    }
  }

  private func bytes<Word: FixedWidthInteger>(of word: Word) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }

  /// Round to nearest even, as hardware does.
  private func roundedToBFloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    let rounding = 0x7FFF + ((bits >> 16) & 1)
    return UInt16(truncatingIfNeeded: (bits &+ rounding) >> 16)
  }
}

/// A named array of numbers.
public struct NamedTensor: Sendable {
  /// The name in the state dict.
  public var name: String
  /// Extents, outermost first; empty for one number.
  public var shape: [Int]
  /// How the file stores it.
  public var type: ElementType
  /// Elements, row-major and contiguous.
  public var values: [Float]

  /// A tensor of `values`, whose count is the product of `shape`.
  public init(name: String, shape: [Int], type: ElementType = .float32, values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "NamedTensor: \(name) \(shape)")
    (self.name, self.shape, self.type, self.values) = (name, shape, type, values)
  }
}

/// The tensors of a weights file, in the order of the file.
public struct StateDict: Sendable {
  /// The tensors.
  public var tensors: [NamedTensor]
  /// Free text pairs.
  public var metadata: [String: String]
  /// What the file was: `safetensors`, `PyTorch zip (params)` and the like.
  public var format: String

  /// A state dict of given tensors.
  public init(
    tensors: [NamedTensor], metadata: [String: String] = [:], format: String = "safetensors"
  ) {
    (self.tensors, self.metadata, self.format) = (tensors, metadata, format)
  }

  /// The tensor called `name`.
  public subscript(name: String) -> NamedTensor? { tensors.first { $0.name == name } }

  /// Which of two sets of weights a PyTorch file that holds both should give.
  public enum Selection: Sendable {
    /// The trained ones, `params`, as the official demo loads them; else the moving average.
    case params
    /// The moving average, `params_ema`; else the trained ones.
    case ema
  }

  /// Reads a weights file, whose kind is told by its content.
  /// - Throws: `WeightsError` naming the file and the fault.
  public init(contentsOf path: String, selecting selection: Selection = .params) throws {
    let data = try WeightsFile.map(path)
    if PyTorchFile.isPyTorch(data) {
      self = try PyTorchFile(path: path, data: data).stateDict(selecting: selection)
    } else {
      self = try SafetensorsReader(path: path, data: data).stateDict()
    }
  }
}

/// A weights file that cannot be used.
public struct WeightsError: Error, CustomStringConvertible, Sendable {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let fault: String

  /// A fault of the file at `path`.
  public init(path: String, fault: String) { (self.path, self.fault) = (path, fault) }

  public var description: String { "\(path): \(fault)" }
}

enum WeightsFile {
  /// The file's bytes, mapped: what is not touched takes no memory.
  static func map(_ path: String) throws -> Data {
    guard let kind = FileKind(path) else { throw WeightsError(path: path, fault: "no such file") }
    guard kind != .folder else {
      throw WeightsError(path: path, fault: "is a folder, expected a weights file")
    }
    let data: Data
    do {
      data = try mappedFile(path)
    } catch {
      throw WeightsError(path: path, fault: "cannot \(error.operation): \(error.reason)")
    }
    guard data.count >= 8 else {
      throw WeightsError(
        path: path, fault: "\(data.count) bytes, expected a .safetensors or PyTorch file")
    }
    return data
  }
}
