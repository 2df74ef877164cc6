/// What a TIFF file says of its picture, gathered into a block of EXIF as other formats carry it:
/// the describing tags of its first folder, and the folders of details and places that it points
/// to.
struct TIFFNotes {
  private let source: ByteSource
  private let isLittleEndian: Bool
  /// Bytes of values that still fit, so that the block fits a JPEG and no file makes it large.
  private var room = 60_000

  private enum Tag {
    /// Description, maker, model, orientation, software, time, artist, host and copyright.
    static let described: Set<Int> = [
      0x010E, 0x010F, 0x0110, orientation, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298,
    ]
    static let orientation = 0x0112
    static let folders = [0x8769, 0x8825]
    /// They point to places in the file: the maker's own notes, and folders within folders.
    static let bound: Set<Int> = [0x927C, 0xA005, 0x8769, 0x8825]
  }

  private struct Entry {
    let tag: Int
    let type: Int
    let count: Int
    let value: [UInt8]
    static let long = 4
    /// Bytes of a value by its type.
    static let sizes = [1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8]
  }

  /// The block from its header on; nil for files without notes, and those with 64-bit offsets.
  static func exif(_ source: ByteSource) -> [UInt8]? {
    let mark = source.start(4)
    guard mark == Array("II*\0".utf8) || mark == Array("MM\0*".utf8) else { return nil }
    var notes = TIFFNotes(source: source, isLittleEndian: mark[0] == UInt8(ascii: "I"))
    return notes.block(mark)
  }

  private init(source: ByteSource, isLittleEndian: Bool) {
    (self.source, self.isLittleEndian) = (source, isLittleEndian)
  }

  private mutating func block(_ mark: [UInt8]) -> [UInt8]? {
    guard let first = number(at: 4, 4) else { return nil }
    let start = 8
    var main = folder(at: first) { Tag.described.contains($0) }
    let inner = Tag.folders.compactMap { tag -> (tag: Int, entries: [Entry])? in
      guard let pointer = folder(at: first, where: { $0 == tag }).first,
        pointer.type == Entry.long, pointer.count == 1
      else { return nil }
      let entries = folder(at: number(pointer.value)) { !Tag.bound.contains($0) }
      return entries.isEmpty ? nil : (tag, entries)
    }
    guard !inner.isEmpty || main.contains(where: { $0.tag != Tag.orientation }) else { return nil }
    // Pointers stand in their entries, so that the length is known before their values are.
    func pointers(_ places: [Int]) -> [Entry] {
      zip(inner, places).map {
        Entry(tag: $0.tag, type: Entry.long, count: 1, value: field($1, 4))
      }
    }
    var end = start + written(main + pointers(inner.map { _ in 0 }), at: start).count
    var (places, folders) = ([Int](), [UInt8]())
    for (_, entries) in inner {
      places.append(end)
      let bytes = written(entries, at: end)
      (folders, end) = (folders + bytes, end + bytes.count)
    }
    main += pointers(places)
    return mark + field(start, 4) + written(main, at: start) + folders
  }

  /// The entries of a folder whose tags are wanted; those that lie outside the file, or for which
  /// there is no room, are left out.
  private mutating func folder(at offset: Int, where isWanted: (Int) -> Bool) -> [Entry] {
    guard let count = number(at: offset, 2) else { return [] }
    var entries: [Entry] = []
    for index in 0..<count {
      let place = offset + 2 + 12 * index
      guard let tag = number(at: place, 2), let type = number(at: place + 2, 2),
        let count = number(at: place + 4, 4)
      else { break }
      guard isWanted(tag), let size = Entry.sizes[type], count <= room / size,
        let value = value(size * count, at: place + 8)
      else { continue }
      room -= 12 + value.count
      entries.append(Entry(tag: tag, type: type, count: count, value: value))
    }
    return entries
  }

  private func value(_ size: Int, at place: Int) -> [UInt8]? {
    if size <= 4 { return source.bytes(size, at: place) }
    return number(at: place, 4).flatMap { source.bytes(size, at: $0) }
  }

  /// A folder as it stands at `offset`, its values behind it.
  private func written(_ entries: [Entry], at offset: Int) -> [UInt8] {
    var head = field(entries.count, 2)
    var values: [UInt8] = []
    let start = offset + 2 + 12 * entries.count + 4
    for entry in entries.sorted(by: { $0.tag < $1.tag }) {
      head += field(entry.tag, 2) + field(entry.type, 2) + field(entry.count, 4)
      if entry.value.count <= 4 {
        head += entry.value + [UInt8](repeating: 0, count: 4 - entry.value.count)
      } else {
        head += field(start + values.count, 4)
        values += entry.value + (entry.value.count % 2 == 1 ? [0] : [])
      }
    }
    return head + field(0, 4) + values
  }

  private func field(_ value: Int, _ count: Int) -> [UInt8] {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    return isLittleEndian ? bytes : bytes.reversed()
  }

  private func number(_ bytes: [UInt8]) -> Int {
    (isLittleEndian ? bytes.reversed() : bytes).reduce(0) { $0 << 8 | Int($1) }
  }

  private func number(at offset: Int, _ count: Int) -> Int? {
    source.bytes(count, at: offset).map(number)
  }
}
