import Foundation

/// An ICC profile for what PNG says by gAMA and cHRM, so that JPEG can say it too: three primaries,
/// or gray, and one exponent (ICC.1:2001, three-component matrix-based and monochrome display
/// profiles).
struct ColorProfile {
  /// Values are encoded to the power 1 / `gamma`.
  private let gamma: Double
  /// White, red, green and blue, x then y.
  private let chromaticities: [Double]

  private static let sRGB = [0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06]

  /// Nil where the tags say nothing, nothing sensible, or what is assumed of a picture without a
  /// profile, sRGB.
  init?(_ tags: ImageTags) {
    guard tags.sRGBIntent == nil, tags.gamma != nil || tags.chromaticities != nil else {
      return nil
    }
    gamma = tags.gamma.map { 100_000 / Double($0) } ?? 2.2
    chromaticities = tags.chromaticities?.map { Double($0) / 100_000 } ?? Self.sRGB
    let isUsual =
      abs(gamma - 2.2) < 0.03 && zip(chromaticities, Self.sRGB).allSatisfy { abs($0 - $1) < 0.002 }
    let isSensible =
      (0.1...20).contains(gamma) && colorants.flatMap { $0 }.allSatisfy { abs($0) < 100 }
    guard !isUsual, isSensible else { return nil }
  }

  /// The profile's bytes for a picture of 1 or 3 channels.
  func bytes(channels: Int) -> [UInt8] {
    let curve =
      Array("curv".utf8) + [0, 0, 0, 0] + number(1, 4) + number(Int(gamma * 256 + 0.5), 2)
    var tags: [(String, [UInt8])] = [
      ("desc", description), ("cprt", Array("text\0\0\0\0No copyright\0".utf8)),
      ("wtpt", xyz(Self.d50)),
    ]
    if channels == 1 {
      tags.append(("kTRC", curve))
    } else {
      for (name, color) in zip(["r", "g", "b"], colorants) {
        tags.append((name + "XYZ", xyz(color)))
      }
      for name in ["rTRC", "gTRC", "bTRC"] { tags.append((name, curve)) }
    }
    var (table, data) = (number(tags.count, 4), [UInt8]())
    let start = 128 + 4 + 12 * tags.count
    for (name, content) in tags {
      table += Array(name.utf8) + number(start + data.count, 4) + number(content.count, 4)
      data += content + [UInt8](repeating: 0, count: (4 - content.count % 4) % 4)
    }
    return header(size: start + data.count, channels) + table + data
  }

  private func header(size: Int, _ channels: Int) -> [UInt8] {
    let space = channels == 1 ? "GRAY" : "RGB "
    var header = number(size, 4) + [0, 0, 0, 0] + [2, 0x10, 0, 0]
    header += Array("mntr\(space)XYZ ".utf8) + number(2000, 2) + [0, 1, 0, 1] + [0, 0, 0, 0, 0, 0]
    header += Array("acsp".utf8) + [UInt8](repeating: 0, count: 28)
    header += Self.d50.flatMap(fixed)
    return header + [UInt8](repeating: 0, count: 128 - header.count)
  }

  private var description: [UInt8] {
    let text = Array("Display profile from gAMA and cHRM\0".utf8)
    // Behind the text: neither Unicode nor Macintosh's script code.
    return Array("desc\0\0\0\0".utf8) + number(text.count, 4) + text
      + [UInt8](repeating: 0, count: 8 + 3 + 67)
  }

  // MARK: Colours

  private static let d50 = [0.9642, 1, 0.8249]
  private static let bradford = [
    [0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296],
  ]

  /// Red, green and blue as XYZ under D50: scaled so that together they give the white, then
  /// adapted to that light.
  private var colorants: [[Double]] {
    func point(_ i: Int) -> [Double] {
      let (x, y) = (chromaticities[2 * i], chromaticities[2 * i + 1])
      return [x / y, 1, (1 - x - y) / y]
    }
    let (white, primaries) = (point(0), (1...3).map(point))
    let scales = applied(inverse(transposed(primaries)), to: white)
    let (from, to) = (applied(Self.bradford, to: white), applied(Self.bradford, to: Self.d50))
    return zip(primaries, scales).map { primary, scale in
      let cone = applied(Self.bradford, to: primary.map { $0 * scale })
      return applied(inverse(Self.bradford), to: (0..<3).map { cone[$0] * to[$0] / from[$0] })
    }
  }

  private func applied(_ m: [[Double]], to v: [Double]) -> [Double] {
    m.map { row in row[0] * v[0] + row[1] * v[1] + row[2] * v[2] }
  }

  private func transposed(_ m: [[Double]]) -> [[Double]] { (0..<3).map { c in m.map { $0[c] } } }

  /// By cofactors.
  private func inverse(_ m: [[Double]]) -> [[Double]] {
    func cofactor(_ r: Int, _ c: Int) -> Double {
      let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3)
      return m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    }
    let determinant = (0..<3).reduce(0) { $0 + m[0][$1] * cofactor(0, $1) }
    return (0..<3).map { r in (0..<3).map { c in cofactor(c, r) / determinant } }
  }

  // MARK: Numbers

  private func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// 16 bits before the point, 16 behind it.
  private func fixed(_ value: Double) -> [UInt8] { number(Int((value * 65_536).rounded()), 4) }

  private func xyz(_ color: [Double]) -> [UInt8] {
    Array("XYZ \0\0\0\0".utf8) + color.flatMap(fixed)
  }
}
