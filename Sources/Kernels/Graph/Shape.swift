/// The extent of a tensor: images, channels, rows, columns (NCHW).
///
/// A convolution weight `[out, in, kh, kw]` maps onto the same four numbers; a vector of `c` values
/// (bias, LayerNorm weight, temperature) is `1 x c x 1 x 1`.
public struct Shape: Hashable, Sendable, CustomStringConvertible {
  /// Images in the batch.
  public var n: Int
  /// Channels.
  public var c: Int
  /// Rows.
  public var h: Int
  /// Columns.
  public var w: Int

  /// A shape of `n` images, `c` channels, `h` rows and `w` columns, each at least 1.
  public init(_ n: Int, _ c: Int, _ h: Int, _ w: Int) {
    precondition(n > 0 && c > 0 && h > 0 && w > 0, "Shape: \(n)x\(c)x\(h)x\(w) is empty")
    (self.n, self.c, self.h, self.w) = (n, c, h, w)
  }

  /// A vector of `c` channels: `1 x c x 1 x 1`.
  public static func vector(_ c: Int) -> Shape { Shape(1, c, 1, 1) }

  /// One number: `1 x 1 x 1 x 1`.
  public static let scalar = Shape(1, 1, 1, 1)

  /// Elements in one channel plane, `h * w`.
  public var plane: Int { h * w }

  /// Elements in all.
  public var count: Int { n * c * h * w }

  /// The same shape with another number of channels.
  public func channels(_ c: Int) -> Shape { Shape(n, c, h, w) }

  public var description: String { "\(n)x\(c)x\(h)x\(w)" }
}
