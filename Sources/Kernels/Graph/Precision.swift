/// How the elements of a tensor lie in memory. Whatever it is, arithmetic and sums are in float32.
public enum Precision: String, Sendable, CaseIterable {
  /// Four bytes, as IEEE single precision.
  case float
  /// Two bytes, as IEEE half precision: 11 significant bits, up to 65504.
  case half

  /// Bytes of one element.
  public var bytes: Int { self == .half ? 2 : 4 }

  /// The words of four bytes that `count` elements take.
  func words(_ count: Int) -> Int { ceilingQuotient(count * bytes, 4) }
}
