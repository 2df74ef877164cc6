/// How a file stores the elements of a tensor, by safetensors' names.
public enum ElementType: String, Sendable, CaseIterable {
  /// IEEE 32 bit.
  case float32 = "F32"
  /// IEEE 16 bit.
  case float16 = "F16"
  /// The upper half of an IEEE 32-bit number.
  case bfloat16 = "BF16"
  /// IEEE 64 bit.
  case float64 = "F64"
  /// Eight bits, four of them exponent: finite up to 448, no infinity.
  case float8E4M3 = "F8_E4M3"
  /// The upper half of an IEEE 16-bit number.
  case float8E5M2 = "F8_E5M2"
  /// Signed 64-bit integers.
  case int64 = "I64"
  /// Signed 32-bit integers.
  case int32 = "I32"
  /// Signed 16-bit integers.
  case int16 = "I16"
  /// Signed 8-bit integers.
  case int8 = "I8"
  /// Unsigned 64-bit integers.
  case uint64 = "U64"
  /// Unsigned 32-bit integers.
  case uint32 = "U32"
  /// Unsigned 16-bit integers.
  case uint16 = "U16"
  /// Unsigned 8-bit integers.
  case uint8 = "U8"
  /// Truth values, a byte each.
  case bool = "BOOL"

  /// The types that weights are written in.
  public static let written: [ElementType] = [.float32, .float16, .bfloat16, .float64]

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .float8E4M3, .float8E5M2, .int8, .uint8, .bool: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Reads `count` little-endian elements, widened or narrowed to `Float`.
  func decode(_ bytes: UnsafeRawBufferPointer, count: Int) -> [Float] {
    (0..<count).map { element($0, of: bytes) }
  }

  /// Reads the element number `index`, widened or narrowed to `Float`.
  /// - Parameter isBigEndian: whether the file's machine wrote the highest byte first.
  func element(
    _ index: Int, of bytes: UnsafeRawBufferPointer, isBigEndian: Bool = false
  ) -> Float {
    func word<Word: FixedWidthInteger>(_: Word.Type) -> Word {
      let raw = bytes.loadUnaligned(fromByteOffset: index * size, as: Word.self)
      return isBigEndian ? Word(bigEndian: raw) : Word(littleEndian: raw)
    }
    return switch self {
    case .float32: Float(bitPattern: word(UInt32.self))
    case .float16: Float(Float16(bitPattern: word(UInt16.self)))
    case .bfloat16: Float(bitPattern: UInt32(word(UInt16.self)) << 16)
    case .float64: Float(Double(bitPattern: word(UInt64.self)))
    case .float8E4M3: Self.float8E4M3(word(UInt8.self))
    case .float8E5M2: Float(Float16(bitPattern: UInt16(word(UInt8.self)) << 8))
    case .int64: Float(word(Int64.self))
    case .int32: Float(word(Int32.self))
    case .int16: Float(word(Int16.self))
    case .int8: Float(word(Int8.self))
    case .uint64: Float(word(UInt64.self))
    case .uint32: Float(word(UInt32.self))
    case .uint16: Float(word(UInt16.self))
    case .uint8: Float(word(UInt8.self))
    case .bool: word(UInt8.self) == 0 ? 0 : 1
    }
  }

  private static func float8E4M3(_ bits: UInt8) -> Float {
    guard bits & 0x7F != 0x7F else { return .nan }
    let (exponent, fraction) = (Int(bits >> 3 & 0xF), Float(bits & 7) / 8)
    let magnitude =
      exponent == 0
      ? Float(sign: .plus, exponent: -6, significand: fraction)
      : Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction)
    return bits >> 7 == 0 ? magnitude : -magnitude
  }

  /// `value` as this type's little-endian bytes; nil for types that weights are not written in.
  func encode(_ value: Float) -> [UInt8]? {
    switch self {
    case .float32: bytes(of: value.bitPattern)
    case .float16: bytes(of: Float16(value).bitPattern)
    case .bfloat16: bytes(of: roundedToBFloat16(value))
    case .float64: bytes(of: Double(value).bitPattern)
    default: nil
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
