/// An XMP packet as text between tags: as much of XML as it takes to put two of them together. All
/// ranges are of its bytes.
struct XMPDocument {
  let bytes: [UInt8]
  /// Between the processing instructions that wrap a packet, without the blanks that pad it.
  let content: Range<Int>
  /// Where the instruction begins that ends a packet.
  private let wrapperEnd: Int
  /// The tag that opens the descriptions, and the place of the one that ends them.
  let opening: Range<Int>
  let end: Int

  /// Nil without descriptions.
  init?(_ bytes: [UInt8]) {
    let start = Self.contentStart(bytes)
    wrapperEnd =
      bytes.range(of: "<?xpacket", from: start, isLast: true)?.lowerBound ?? bytes.count
    var stop = wrapperEnd
    while stop > start, " \t\r\n".utf8.contains(bytes[stop - 1]) { stop -= 1 }
    guard let opening = Self.tag("rdf:RDF", in: bytes, from: start),
      bytes[opening.upperBound - 2] != UInt8(ascii: "/"),
      let end = bytes.range(of: "</rdf:RDF", from: opening.upperBound, isLast: true)?.lowerBound,
      end < stop
    else { return nil }
    self.bytes = bytes
    content = start..<stop
    self.opening = opening
    self.end = end
  }

  /// Behind the instruction that opens a packet, if there is one.
  private static func contentStart(_ bytes: [UInt8]) -> Int {
    guard let wrapper = bytes.range(of: "<?xpacket"),
      wrapper.lowerBound < bytes.range(of: "rdf:RDF")?.lowerBound ?? bytes.count,
      var start = bytes.range(of: "?>", from: wrapper.upperBound)?.upperBound
    else { return 0 }
    while start < bytes.count, " \t\r\n".utf8.contains(bytes[start]) { start += 1 }
    return start
  }

  /// The tag that opens an element of this name, from `<` to behind `>`.
  private static func tag(_ name: String, in bytes: [UInt8], from start: Int) -> Range<Int>? {
    guard let place = bytes.range(of: "<" + name, from: start) else { return nil }
    var quote: UInt8?
    for index in place.upperBound..<bytes.count {
      let byte = bytes[index]
      if let open = quote {
        if byte == open { quote = nil }
      } else if isQuote(byte) {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        return place.lowerBound..<index + 1
      }
    }
    return nil
  }

  /// What prefixes mean within the descriptions by the tags around them, with its quotes.
  var namespaces: [String: String] {
    let tags = [Self.tag("x:xmpmeta", in: bytes, from: content.lowerBound), opening]
    var meanings: [String: String] = [:]
    for case let tag? in tags where tag.lowerBound <= opening.lowerBound {
      for (name, value) in attributes(of: tag) where name.hasPrefix("xmlns") {
        meanings[name] = value
      }
    }
    return meanings
  }

  /// Names and quoted values within a tag.
  private func attributes(of tag: Range<Int>) -> [(String, String)] {
    var found: [(String, String)] = []
    var rest = bytes[tag]
    while let open = rest.firstIndex(where: Self.isQuote),
      let close = rest[(open + 1)...].firstIndex(of: rest[open])
    {
      if let name = rest[..<open].split(whereSeparator: { " \t\r\n=".utf8.contains($0) }).last {
        found.append((Self.text(name), Self.text(rest[open...close])))
      }
      rest = rest[(close + 1)...]
    }
    return found
  }

  /// The first value of a property, which is an attribute or an element without others in it: where
  /// the whole of it stands, and what it says.
  func value(of name: String) -> (place: Range<Int>, text: String)? {
    guard let place = bytes.range(of: name, from: opening.upperBound),
      let open = bytes[place.upperBound...].firstIndex(where: { !" \t\r\n=".utf8.contains($0) })
    else { return nil }
    if Self.isQuote(bytes[open]), let close = bytes[(open + 1)...].firstIndex(of: bytes[open]) {
      return (place.lowerBound..<close + 1, Self.text(bytes[open + 1..<close]))
    }
    guard bytes[open] == UInt8(ascii: ">"), bytes[place.lowerBound - 1] == UInt8(ascii: "<"),
      let closing = bytes.range(of: "</\(name)>", from: open)
    else { return nil }
    let text = Self.text(bytes[open + 1..<closing.lowerBound])
    return (place.lowerBound - 1..<closing.upperBound, text)
  }

  private static func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  /// The packet with this in place of its content and padding.
  func with(content: some Sequence<UInt8>) -> [UInt8] {
    var packet = Array(bytes[..<self.content.lowerBound])
    packet += content
    packet += bytes[wrapperEnd...]
    return packet
  }

  /// The packet with the descriptions of another one behind its own; nil where a prefix has two
  /// meanings.
  func adding(_ other: XMPDocument) -> [UInt8]? {
    let known = namespaces
    var declared = ""
    for (name, value) in other.namespaces.sorted(by: { $0.key < $1.key }) {
      let meaning = known[name] ?? value
      guard meaning.dropFirst().dropLast() == value.dropFirst().dropLast() else { return nil }
      if known[name] == nil { declared += " \(name)=\(value)" }
    }
    let tagEnd = opening.upperBound - 1
    var packet = Array(bytes[..<tagEnd])
    packet += declared.utf8
    packet += bytes[tagEnd..<end]
    packet += other.bytes[other.opening.upperBound..<other.end]
    packet += bytes[end...]
    return packet
  }
}
