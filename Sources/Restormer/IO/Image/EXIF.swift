/// EXIF: a TIFF structure of numbers under tags, read and changed in place so that every offset in
/// it stays right.
struct EXIF {
  private(set) var bytes: [UInt8]
  private let isLittleEndian: Bool

  private enum Tag {
    static let orientation = 0x0112
    static let resolution = (x: 0x011A, y: 0x011B, unit: 0x0128)
    static let details = 0x8769
    static let size = (width: 0xA002, height: 0xA003)
  }

  /// One number, or the place of several.
  private struct Entry {
    let place: Int
    let type: Int
    static let (short, long, rational) = (3, 4, 5)
  }

  /// Nil without a TIFF header.
  init?(_ bytes: [UInt8]) {
    switch bytes.prefix(4) {
    case [0x49, 0x49, 0x2A, 0x00]: isLittleEndian = true
    case [0x4D, 0x4D, 0x00, 0x2A]: isLittleEndian = false
    default: return nil
    }
    self.bytes = bytes
  }

  /// How the pixels lie; nil where nothing readable says so.
  var orientation: Orientation? {
    guard let folder = firstFolder, let entry = entry(Tag.orientation, in: folder) else {
      return nil
    }
    return number(of: entry).flatMap(Orientation.init)
  }

  /// Pixels per metre along x and y; nil where the unit or a number is missing.
  var pixelsPerMeter: SIMD2<UInt32>? {
    guard let folder = firstFolder, let x = ratio(Tag.resolution.x, in: folder),
      let y = ratio(Tag.resolution.y, in: folder)
    else { return nil }
    // Inches unless it says otherwise.
    let unit = entry(Tag.resolution.unit, in: folder).flatMap(number(of:)) ?? 2
    guard let scale = [2: 1 / 0.0254, 3: 100][unit] else { return nil }
    let (perMeterX, perMeterY) = ((x * scale).rounded(), (y * scale).rounded())
    let range = 1...Double(Int32.max)
    guard range.contains(perMeterX), range.contains(perMeterY) else { return nil }
    return SIMD2(UInt32(perMeterX), UInt32(perMeterY))
  }

  /// Says that the pixels lie upright, as they do once the orientation is applied. The preview,
  /// which still lies as it did and shows the unrestored picture, is cut off.
  mutating func setUpright(exchangingSides: Bool) {
    guard let folder = firstFolder, let count = number(at: folder, 2) else { return }
    if let entry = entry(Tag.orientation, in: folder) { set(1, of: entry) }
    let nextFolder = folder + 2 + 12 * count
    if nextFolder + 4 <= bytes.count {
      bytes.replaceSubrange(nextFolder..<nextFolder + 4, with: [0, 0, 0, 0])
    }
    guard exchangingSides else { return }
    exchange(Tag.resolution.x, Tag.resolution.y, in: folder)
    if let details = entry(Tag.details, in: folder).flatMap(number(of:)) {
      exchange(Tag.size.width, Tag.size.height, in: details)
    }
  }

  private var firstFolder: Int? { number(at: 4, 4) }

  private func entry(_ tag: Int, in folder: Int) -> Entry? {
    guard let count = number(at: folder, 2) else { return nil }
    for index in 0..<count {
      let offset = folder + 2 + 12 * index
      guard let found = number(at: offset, 2), let type = number(at: offset + 2, 2),
        offset + 12 <= bytes.count
      else { return nil }
      if found == tag { return Entry(place: offset + 8, type: type) }
    }
    return nil
  }

  private func number(of entry: Entry) -> Int? {
    switch entry.type {
    case Entry.short: number(at: entry.place, 2)
    case Entry.long: number(at: entry.place, 4)
    default: nil
    }
  }

  private func ratio(_ tag: Int, in folder: Int) -> Double? {
    guard let entry = entry(tag, in: folder), entry.type == Entry.rational,
      let place = number(at: entry.place, 4), let above = number(at: place, 4),
      let below = number(at: place + 4, 4), below > 0
    else { return nil }
    return Double(above) / Double(below)
  }

  private mutating func set(_ value: UInt8, of entry: Entry) {
    let count = entry.type == Entry.short ? 2 : 4
    var field = [UInt8](repeating: 0, count: count)
    field[isLittleEndian ? 0 : count - 1] = value
    bytes.replaceSubrange(entry.place..<entry.place + count, with: field)
  }

  private mutating func exchange(_ first: Int, _ second: Int, in folder: Int) {
    guard let a = entry(first, in: folder), let b = entry(second, in: folder), a.type == b.type
    else { return }
    for i in 0..<4 { bytes.swapAt(a.place + i, b.place + i) }
  }

  private func number(at offset: Int, _ count: Int) -> Int? {
    guard offset >= 0, offset + count <= bytes.count else { return nil }
    let field = bytes[offset..<offset + count]
    return (isLittleEndian ? Array(field.reversed()) : Array(field)).reduce(0) { $0 << 8 | Int($1) }
  }
}
