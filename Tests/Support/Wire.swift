/// Fields of protocol buffers as they lie in a file, put together without the library that writes
/// them.
public enum Wire {
  /// A message, or other bytes, of fewer than 128 bytes.
  public static func message(_ field: UInt8, _ parts: [UInt8]...) -> [UInt8] {
    let body = Array(parts.joined())
    return [field << 3 | 2, UInt8(body.count)] + body
  }

  public static func text(_ field: UInt8, _ text: String) -> [UInt8] {
    message(field, Array(text.utf8))
  }
}
