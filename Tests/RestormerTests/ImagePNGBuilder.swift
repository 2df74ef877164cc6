/// Builds PNG files chunk by chunk, so that tests can make kinds that the writer does not.
struct ImagePNGBuilder {
  var width: Int
  var height: Int
  var bitDepth: Int
  /// 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
  var colorType: Int
  var interlaced = false
  /// Chunks between IHDR and IDAT, and after IDAT.
  var before: [(String, [UInt8])] = []
  var after: [(String, [UInt8])] = []
  /// Sample `channel` of the pixel at (x, y).
  var sample: (_ x: Int, _ y: Int, _ channel: Int) -> Int

  var bytes: [UInt8] {
    var file = parts.head + Self.chunk("IDAT", parts.pixels)
    for (type, data) in after { file += Self.chunk(type, data) }
    return file + Self.chunk("IEND", [])
  }

  /// What precedes the pixels, and their stream.
  var parts: (head: [UInt8], pixels: [UInt8]) {
    let header =
      Self.number(width) + Self.number(height)
      + [UInt8(bitDepth), UInt8(colorType), 0, 0, interlaced ? 1 : 0]
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += Self.chunk("IHDR", header)
    for (type, data) in before { file += Self.chunk(type, data) }
    return (file, Self.deflated(rows))
  }

  /// Unfiltered rows; interlaced ones pass after pass, each with its own grid.
  private var rows: [UInt8] {
    let adam7 = [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
      (0, 1, 1, 2),
    ]
    var result: [UInt8] = []
    for (x0, y0, dx, dy) in interlaced ? adam7 : [(0, 0, 1, 1)] where x0 < width {
      for y in stride(from: y0, to: height, by: dy) {
        result += [0] + row(y, stride(from: x0, to: width, by: dx))
      }
    }
    return result
  }

  private func row(_ y: Int, _ columns: StrideTo<Int>) -> [UInt8] {
    let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colorType] ?? 1
    var bits: [UInt8] = []
    for x in columns {
      for channel in 0..<channels {
        let value = sample(x, y, channel)
        bits += (0..<bitDepth).reversed().map { UInt8(value >> $0 & 1) }
      }
    }
    bits += [UInt8](repeating: 0, count: (8 - bits.count % 8) % 8)
    return stride(from: 0, to: bits.count, by: 8).map { start in
      bits[start..<start + 8].reduce(0) { $0 << 1 | $1 }
    }
  }

  static func number(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + data
    return number(data.count) + body + number(Int(crc(body)))
  }

  /// A zlib stream of stored blocks: no compressor needed.
  static func deflated(_ data: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: max(data.count, 1), by: 65_535) {
      let part = data[start..<min(start + 65_535, data.count)]
      let (low, high) = (UInt8(part.count & 255), UInt8(part.count >> 8))
      result += [start + 65_535 >= data.count ? 1 : 0, low, high, ~low, ~high] + part
    }
    var (a, b) = (1, 0)
    for byte in data {
      a = (a + Int(byte)) % 65_521
      b = (b + a) % 65_521
    }
    return result + number(b << 16 | a)
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = .max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return ~crc
  }
}

/// A TIFF structure with an orientation, as EXIF stores it.
func imageEXIF(orientation: Int, littleEndian: Bool) -> [UInt8] {
  func field(_ value: Int, _ count: Int) -> [UInt8] {
    let bytes = (0..<count).map { UInt8(value >> (8 * $0) & 255) }
    return littleEndian ? bytes : bytes.reversed()
  }
  let entries = [(0x0100, 3, 640), (0x0112, 3, orientation)]
  var bytes: [UInt8] = Array((littleEndian ? "II" : "MM").utf8) + field(42, 2) + field(8, 4)
  bytes += field(entries.count, 2)
  for (tag, type, value) in entries {
    bytes += field(tag, 2) + field(type, 2) + field(1, 4) + field(value, 2) + [0, 0]
  }
  return bytes + field(0, 4)
}

/// A JPEG file with a segment put right behind its start.
func imageJPEG(_ file: [UInt8], inserting marker: UInt8, _ data: [UInt8]) -> [UInt8] {
  let length = data.count + 2
  return Array(file[..<2]) + [0xFF, marker, UInt8(length >> 8), UInt8(length & 255)] + data
    + Array(file[2...])
}
