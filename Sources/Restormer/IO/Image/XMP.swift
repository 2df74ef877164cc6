import CImage

/// An XMP packet: text of which only the orientation is looked at.
struct XMP {
  private(set) var bytes: [UInt8]

  /// A packet.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// How the pixels lie; nil where the packet does not say so.
  var orientation: Orientation? {
    digit.flatMap { Orientation(rawValue: Int(bytes[$0]) - Int(UInt8(ascii: "0"))) }
  }

  /// Says that the pixels lie upright, as they do once the orientation is applied.
  mutating func setUpright() {
    if let digit { bytes[digit] = UInt8(ascii: "1") }
  }

  /// Where the number stands: behind `tiff:Orientation` as an attribute (`="6"`) or an element
  /// (`>6<`).
  private var digit: Int? {
    guard let start = bytes.range(of: "tiff:Orientation")?.upperBound else { return nil }
    let rest = bytes[start...].prefix(16).drop { " \t\r\n=".utf8.contains($0) }
    guard let opening = rest.first, "\"'>".utf8.contains(opening), rest.count > 1 else {
      return nil
    }
    let digit = rest.startIndex + 1
    return ("1".utf8.first!...("8".utf8.first!)).contains(bytes[digit]) ? digit : nil
  }
}

extension [UInt8] {
  /// Where a text first stands from `start` on, or last with `isLast`; nil where it does not.
  func range(of text: String, from start: Int = 0, isLast: Bool = false) -> Range<Int>? {
    let name = Array(text.utf8)
    var start = start
    var found: Range<Int>?
    while let place = place(of: name, from: start) {
      found = place..<place + name.count
      guard isLast else { break }
      start = place + 1
    }
    return found
  }

  private func place(of name: [UInt8], from start: Int) -> Int? {
    let place = withSpan { text in name.withSpan { cimage_find(text, start, $0) } }
    return place < count ? place : nil
  }

  /// The bytes for C, as long as `body` runs.
  func withSpan<R>(_ body: (CImageSpan) -> R) -> R {
    withUnsafeBufferPointer { body(CImageSpan(bytes: $0.baseAddress, count: $0.count)) }
  }
}
