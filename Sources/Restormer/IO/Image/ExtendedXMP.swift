import CImage

/// XMP of more than a JPEG's segment holds (XMP specification, part 3, 1.1.3.1): a packet that
/// names an extension by its MD5, and the extension in chunks, each with the name, the length of
/// the whole and its own place in it.
struct ExtendedXMP: Equatable {
  /// The packet of the first segment.
  let packet: [UInt8]
  /// The extension, and the 32 hexadecimal digits that name it; empty where the packet says all.
  let more: [UInt8]
  let name: [UInt8]

  /// How a packet is put into a JPEG. One that is too long becomes the extension as a whole, beside
  /// a packet that only names it; nil for what is no XMP.
  init?(fitting whole: [UInt8]) {
    let most = CIMAGE_JPEG_XMP
    guard whole.count > most else {
      (packet, more, name) = (whole, [], [])
      return
    }
    guard let padded = XMPDocument(whole) else { return nil }
    let content = Array(whole[padded.content])
    let unpadded = padded.with(content: content)
    guard unpadded.count > most, let document = XMPDocument(unpadded) else {
      (packet, more, name) = (unpadded, [], [])
      return
    }
    let name = MD5.digest(content).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return byte < 16 ? "0" + digits : digits
    }.joined()
    packet = document.with(content: Self.reference(to: name, of: document).utf8)
    (more, self.name) = (content, Array(name.utf8))
    guard packet.count <= most, more.count <= Int(UInt32.max) else { return nil }
  }

  private static let property = "xmpNote:HasExtendedXMP"

  /// A packet's content that only names an extension.
  private static func reference(to name: String, of document: XMPDocument) -> String {
    """
    <x:xmpmeta xmlns:x="adobe:ns:meta/">\
    <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
    <rdf:Description rdf:about="\(document.value(of: "rdf:about")?.text ?? "")" \
    xmlns:xmpNote="http://ns.adobe.com/xmp/note/" \(property)="\(name)"/>\
    </rdf:RDF></x:xmpmeta>
    """
  }

  /// What a packet and the chunks beside it say together, without the extension's name, and a
  /// remark where something was left out. `chunks` has each behind its size, 4 bytes, big-endian.
  static func join(_ packet: [UInt8], chunks: [UInt8]) -> (packet: [UInt8], remark: String?) {
    guard let document = XMPDocument(packet), let name = document.value(of: property) else {
      return (packet, chunks.isEmpty ? nil : leftOut("is named nowhere"))
    }
    let unnamed = Array(packet[..<name.place.lowerBound] + packet[name.place.upperBound...])
    guard let bytes = data(named: Array(name.text.utf8), in: chunks) else {
      return (unnamed, leftOut("is not whole"))
    }
    guard let more = XMPDocument(bytes) else { return (unnamed, leftOut("is damaged")) }
    if packet[document.content].elementsEqual(reference(to: name.text, of: more).utf8) {
      return (document.with(content: bytes), nil)
    }
    guard let both = XMPDocument(unnamed)?.adding(more) else {
      return (unnamed, leftOut("does not go with the rest"))
    }
    return (both, nil)
  }

  private static func leftOut(_ reason: String) -> String {
    "its XMP beyond one segment \(reason) and was left out"
  }

  /// The extension of this name; nil unless its chunks are there, each once.
  private static func data(named name: [UInt8], in chunks: [UInt8]) -> [UInt8]? {
    var parts: [(place: Int, bytes: ArraySlice<UInt8>)] = []
    var length: Int?
    var rest = chunks[...]
    while rest.count > 4 {
      let chunk = rest.dropFirst(4).prefix(number(rest))
      rest = rest.dropFirst(4 + chunk.count)
      guard chunk.count > 40, chunk.prefix(32).elementsEqual(name) else { continue }
      length = number(chunk.dropFirst(32))
      parts.append((number(chunk.dropFirst(36)), chunk.dropFirst(40)))
    }
    var bytes: [UInt8] = []
    for part in parts.sorted(by: { $0.place < $1.place }) {
      guard part.place == bytes.count else { return nil }
      bytes += part.bytes
    }
    return bytes.count == length ? bytes : nil
  }

  /// The big-endian number in the first 4 bytes.
  private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
  }
}
