/// Walks the segments of a JPEG file: marker, length, data.
enum JPEGHeader {
  /// Reads the frame header and the first EXIF segment before the pixels.
  static func read(_ source: ByteSource) throws(ImageError) -> ImageHeader {
    var header: ImageHeader?
    var orientation: Orientation?
    var offset = 2
    scan: while true {
      let start = try source.bytes(at: offset, 4)
      guard start.count == 4 else {
        throw ImageError(path: source.path, fault: "the file is truncated")
      }
      guard start[0] == 0xFF else {
        throw ImageError(path: source.path, fault: "a JPEG marker is missing at byte \(offset)")
      }
      let length = start.bigEndian(at: 2, 2)
      switch start[1] {
      case 0xFF:  // Any number of these may fill up before a marker.
        offset += 1
        continue
      case 0xC4, 0xC8, 0xCC: break
      case 0xC0...0xCF: header = try frame(source, at: offset + 4)
      case 0xE1 where orientation == nil:
        orientation = exif(try source.bytes(at: offset + 4, max(length - 2, 0)))
      case 0xD9, 0xDA: break scan
      default: break
      }
      guard length >= 2 else {
        throw ImageError(path: source.path, fault: "a JPEG segment is damaged at byte \(offset)")
      }
      offset += 2 + length
    }
    guard var header else {
      throw ImageError(path: source.path, fault: "its JPEG frame header is missing")
    }
    header.orientation = orientation ?? .up
    return header
  }

  private static func frame(
    _ source: ByteSource, at offset: Int
  ) throws(ImageError) -> ImageHeader {
    let frame = try source.bytes(at: offset, 6)
    guard frame.count == 6 else {
      throw ImageError(path: source.path, fault: "the file is truncated")
    }
    let components = Int(frame[5])
    guard frame[0] == 8 else {
      throw ImageError(path: source.path, fault: "a \(frame[0])-bit JPEG; only 8 bits are read")
    }
    guard components == 1 || components == 3 else {
      let fault =
        components == 4
        ? "a CMYK JPEG; convert it to RGB with its colour profile first"
        : "a JPEG of \(components) components; only gray and RGB are read"
      throw ImageError(path: source.path, fault: fault)
    }
    return ImageHeader(
      width: frame.bigEndian(at: 3, 2), height: frame.bigEndian(at: 1, 2), channels: components,
      hasAlpha: false, bitDepth: 8, format: .jpeg)
  }

  /// The orientation in an APP1 segment, nil if that holds something other than EXIF.
  private static func exif(_ segment: [UInt8]) -> Orientation? {
    let name = Array("Exif\0\0".utf8)
    guard segment.starts(with: name) else { return nil }
    return Orientation(exif: Array(segment.dropFirst(name.count)))
  }
}
