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

  /// Reads the tag from a TIFF structure, as EXIF is; anything unreadable means upright.
  init(exif bytes: [UInt8]) {
    self = TIFFReader(bytes)?.shortInFirstFolder(tag: 0x0112).flatMap(Orientation.init) ?? .up
  }

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

  /// Turns a stored plane of `width` x `height` upright, within the same memory.
  func apply(to plane: UnsafeMutableBufferPointer<Float>, width: Int, height: Int) {
    guard self != .up else { return }
    let stored = Array(plane)
    let (start, column, row) = walk(width: width, height: height)
    let (columns, rows) = swapsSides ? (height, width) : (width, height)
    stored.withUnsafeBufferPointer { stored in
      for y in 0..<rows {
        for x in 0..<columns { plane[y * columns + x] = stored[start + y * row + x * column] }
      }
    }
  }
}

/// Just enough of TIFF to look up one number: byte order, first folder, entries of 12 bytes.
private struct TIFFReader {
  private let bytes: [UInt8]
  private let littleEndian: Bool

  init?(_ bytes: [UInt8]) {
    switch bytes.prefix(4) {
    case [0x49, 0x49, 0x2A, 0x00]: littleEndian = true
    case [0x4D, 0x4D, 0x00, 0x2A]: littleEndian = false
    default: return nil
    }
    self.bytes = bytes
  }

  func shortInFirstFolder(tag: Int) -> Int? {
    guard let folder = number(at: 4, 4), let count = number(at: folder, 2) else { return nil }
    let short = 3
    for entry in 0..<count {
      let offset = folder + 2 + 12 * entry
      guard let found = number(at: offset, 2) else { return nil }
      if found == tag, number(at: offset + 2, 2) == short { return number(at: offset + 8, 2) }
    }
    return nil
  }

  private func number(at offset: Int, _ count: Int) -> Int? {
    guard offset + count <= bytes.count else { return nil }
    let field = Array(bytes[offset..<offset + count])
    return (littleEndian ? field.reversed() : field).bigEndian(at: 0, count)
  }
}
