/// Walks the chunks of a PNG file: length, type, data, CRC.
enum PNGHeader {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// Reads IHDR, then looks for transparency and EXIF in the chunks that follow. What is wrong
  /// further on is left for the decoder to find.
  static func read(_ source: ByteSource) throws(ImageError) -> ImageHeader {
    let start = try source.bytes(at: signature.count, 21)
    guard start.count == 21 else {
      throw ImageError(path: source.path, fault: "the file is truncated")
    }
    guard start[4..<8].elementsEqual("IHDR".utf8), start.bigEndian(at: 0, 4) == 13,
      let color = Color(rawValue: start[17])
    else {
      throw ImageError(path: source.path, fault: "its PNG header is damaged")
    }
    var header = ImageHeader(
      width: start.bigEndian(at: 8, 4), height: start.bigEndian(at: 12, 4),
      channels: color.channels, hasAlpha: color.hasAlpha, bitDepth: start[16] == 16 ? 16 : 8,
      format: .png)
    try readChunks(source, into: &header)
    return header
  }

  private enum Color: UInt8 {
    case gray = 0
    case rgb = 2
    case palette = 3
    case grayAlpha = 4
    case rgbAlpha = 6

    var channels: Int { self == .gray || self == .grayAlpha ? 1 : 3 }
    var hasAlpha: Bool { self == .grayAlpha || self == .rgbAlpha }
  }

  private static func readChunks(
    _ source: ByteSource, into header: inout ImageHeader
  ) throws(ImageError) {
    var offset = signature.count + 25
    var beforePixels = true
    while true {
      let start = try source.bytes(at: offset, 8)
      guard start.count == 8 else { return }
      let length = start.bigEndian(at: 0, 4)
      switch String(decoding: start[4..<8], as: UTF8.self) {
      case "tRNS": header.hasAlpha = header.hasAlpha || beforePixels
      case "IDAT": beforePixels = false
      case "eXIf":
        header.orientation = Orientation(exif: try source.bytes(at: offset + 8, length))
      case "IEND": return
      default: break
      }
      offset += 12 + length
    }
  }
}

extension [UInt8] {
  /// The unsigned number in `count` bytes from `offset`, most significant first.
  func bigEndian(at offset: Int, _ count: Int) -> Int {
    self[offset..<offset + count].reduce(0) { $0 << 8 | Int($1) }
  }
}
