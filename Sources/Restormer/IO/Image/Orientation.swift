/// How stored pixels lie relative to the upright picture: tag 0x0112 of EXIF.
enum Orientation: Int, CaseIterable, Sendable {
  case up = 1
  case mirrored
  case rotated180
  case flipped
  case transposed
  case rotated90
  case transversed
  case rotated270

  /// Whether the upright picture is as wide as the stored one is high.
  var swapsSides: Bool { rawValue >= Orientation.transposed.rawValue }

  /// The stored offset of the upright pixel (0, 0), and the steps to the next column and row, for a
  /// stored plane of `width` x `height`.
  private func walk(width: Int, height: Int) -> (start: Int, column: Int, row: Int) {
    let right = width - 1
    let bottom = (height - 1) * width
    return switch self {
    case .up: (0, 1, width)
    case .mirrored: (right, -1, width)
    case .rotated180: (bottom + right, -1, -width)
    case .flipped: (bottom, 1, -width)
    case .transposed: (0, width, 1)
    case .rotated90: (bottom, -width, 1)
    case .transversed: (bottom + right, -width, -1)
    case .rotated270: (right, width, -1)
    }
  }

  /// Turns stored pixels of `size` bytes each upright into other memory; `width` and `height` are
  /// those of the stored picture.
  func apply(
    from stored: UnsafeRawBufferPointer, to upright: UnsafeMutableRawBufferPointer, size: Int,
    width: Int, height: Int
  ) {
    let (start, column, row) = walk(width: width, height: height)
    let (columns, rows) = swapsSides ? (height, width) : (width, height)
    for y in 0..<rows {
      for x in 0..<columns {
        let (to, from) = ((y * columns + x) * size, (start + y * row + x * column) * size)
        for i in 0..<size { upright[to + i] = stored[from + i] }
      }
    }
  }
}
