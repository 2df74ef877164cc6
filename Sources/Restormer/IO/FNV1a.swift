/// The hash FNV-1a of 64 bits: quick, the same on every machine, and no protection from intent.
struct FNV1a {
  /// The hash of what was added so far.
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Adds a word at once, as the classic form adds a byte.
  mutating func add(_ word: UInt64) { value = (value ^ word) &* 0x100_0000_01b3 }

  /// Adds bytes one by one.
  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { add(UInt64(byte)) }
  }
}
