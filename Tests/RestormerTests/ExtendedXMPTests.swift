import Restormer
import XCTest

/// XMP beyond one JPEG segment is written as standard and extended XMP, and read so.
final class ExtendedXMPTests: XCTestCase {
  private let wrapper = (
    head: #"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>"# + "\n",
    tail: "\n<?xpacket end='w'?>"
  )

  private func content(_ description: String, declaring namespaces: String = "") -> String {
    """
    <x:xmpmeta xmlns:x="adobe:ns:meta/">
    <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"\(namespaces)>
    \(description)
    </rdf:RDF></x:xmpmeta>
    """
  }

  private func long(_ count: Int) -> String {
    content(
      """
      <rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/">
      <dc:source>\(String(repeating: "0123456789", count: count / 10))</dc:source>
      </rdf:Description>
      """)
  }

  private func bitmap(xmp: String?) throws -> Bitmap {
    let builder = ImagePNGBuilder(width: 2, height: 1, bitDepth: 8, colorType: 2) { _, _, _ in 9 }
    var bitmap = try Bitmap(file: builder.bytes)
    bitmap.tags.xmp = xmp.map { Array($0.utf8) }
    return bitmap
  }

  /// A small JPEG with these segments, in this order.
  private func jpeg(_ segments: [[UInt8]]) throws -> Bitmap {
    let whole = try bitmap(xmp: nil).encode(format: .jpeg)
    let file = segments.reversed().reduce(whole) { imageJPEG($0, inserting: 0xE1, $1) }
    return try Bitmap(file: file)
  }

  private let (standard, extended) = (
    Array("http://ns.adobe.com/xap/1.0/\0".utf8),
    Array("http://ns.adobe.com/xmp/extension/\0".utf8)
  )

  private func chunk(_ name: String, _ text: String, at place: Int, of count: Int) -> [UInt8] {
    extended + Array(name.utf8) + ImagePNGBuilder.number(count) + ImagePNGBuilder.number(place)
      + Array(text.utf8)
  }

  private func text(_ bitmap: Bitmap) -> String {
    String(decoding: bitmap.tags.xmp ?? [], as: UTF8.self)
  }

  func testALongPacketGoesThroughAJPEGWhole() throws {
    for count in [65_300, 130_400, 200_000] {
      let content = long(count)
      for packet in [wrapper.head + content + wrapper.tail, content] {
        let image = try bitmap(xmp: packet)
        XCTAssertEqual(image.losses(as: .jpeg), [])
        let file = try image.encode(format: .jpeg)
        let back = try Bitmap(file: file)
        XCTAssertEqual(back.remarks, [])
        // All but the blanks before the wrapper's end.
        let expected = packet.replacing("\n<?xpacket end", with: "<?xpacket end")
        XCTAssertTrue(text(back) == expected, "\(count)")
        let chunks = file.split(separator: extended, omittingEmptySubsequences: false).count - 1
        XCTAssertEqual(chunks, (content.utf8.count + 65_399) / 65_400)
        XCTAssertTrue(try Bitmap(file: back.encode(format: .png)).tags.xmp == back.tags.xmp)
      }
    }
  }

  /// What only room for later changes makes long stays in one segment.
  func testPaddingIsNoReasonForAnExtension() throws {
    let padding = String(repeating: " ", count: 70_000)
    let file = try bitmap(xmp: wrapper.head + long(100) + padding + wrapper.tail)
      .encode(format: .jpeg)
    XCTAssertNil(file.firstRange(of: extended))
    XCTAssertEqual(
      text(try Bitmap(file: file)), wrapper.head + long(100) + "<?xpacket end='w'?>")
  }

  /// The extension's name is its MD5 (the values are those of RFC 1321).
  func testTheDigest() throws {
    let values = [
      "": "d41d8cd98f00b204e9800998ecf8427e", "abc": "900150983cd24fb0d6963f7d28e17f72",
      String(repeating: "1234567890", count: 8): "57edf4a22be3c955ac49da2e2107b67a",
      String(repeating: "a", count: 56): "3b0c8ac703f828b04c6c197006d17218",
    ]
    for (text, digest) in values {
      XCTAssertEqual(
        MD5.digest(Array(text.utf8)).map { String(format: "%02x", $0) }.joined(), digest)
    }
  }

  private let guid = "0123456789ABCDEF0123456789ABCDEF"

  private func named(_ description: String) -> [UInt8] {
    standard + Array((wrapper.head + content(description) + wrapper.tail).utf8)
  }

  /// Chunks come in any order, some belong to an older packet, and a property may be an element.
  func testAnExtensionOfAnotherProgramIsJoined() throws {
    let more = content(
      #"<rdf:Description rdf:about="" tiff:Orientation="8" crs:Look="x"/>"#,
      declaring: #" xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/'"#)
    let cut = more.index(more.startIndex, offsetBy: 70)
    let chunks = [
      chunk(guid, String(more[cut...]), at: 70, of: more.utf8.count),
      chunk(String(repeating: "F", count: 32), "old", at: 0, of: 3),
      chunk(guid, String(more[..<cut]), at: 0, of: more.utf8.count),
    ]
    let declared = #"xmlns:xmpNote="http://ns.adobe.com/xmp/note/""#
    let forms = [
      #"<rdf:Description rdf:about="" \#(declared) xmpNote:HasExtendedXMP="\#(guid)" a="1"/>"#,
      """
      <rdf:Description rdf:about="" \(declared) a="1">\
      <xmpNote:HasExtendedXMP>\(guid)</xmpNote:HasExtendedXMP></rdf:Description>
      """,
    ]
    for form in forms {
      let image = try jpeg([named(form)] + chunks)
      XCTAssertEqual(image.remarks, [])
      XCTAssertEqual([image.width, image.height], [1, 2])
      let joined = text(image)
      XCTAssertFalse(joined.contains("HasExtendedXMP"))
      XCTAssertTrue(joined.contains("xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/'>"))
      XCTAssertTrue(joined.contains(#"crs:Look="x"/>"#))
      XCTAssertTrue(joined.contains(#"tiff:Orientation="1""#))
      XCTAssertEqual(joined.components(separatedBy: "</rdf:RDF>").count, 2)
    }
  }

  func testAnExtensionThatCannotBeJoinedIsSaid() throws {
    let form = #"<rdf:Description rdf:about="" xmpNote:HasExtendedXMP="\#(guid)" a="1"/>"#
    let more = content(#"<rdf:Description rdf:about="" a="2"/>"#)
    let count = more.utf8.count
    let foreign = content("", declaring: #" xmlns:rdf="http://example.org/""#)
    let cases: [([[UInt8]], String)] = [
      ([named("")] + [chunk(guid, more, at: 0, of: count)], "is named nowhere"),
      ([chunk(guid, more, at: 0, of: count)], "is named nowhere"),
      ([named(form)], "is not whole"),
      ([named(form), chunk(guid, more, at: 0, of: count + 1)], "is not whole"),
      ([named(form), chunk(guid, more, at: 1, of: count)], "is not whole"),
      ([named(form), chunk(guid, "", at: 0, of: 0)], "is not whole"),
      ([named(form), chunk(guid, "text", at: 0, of: 4)], "is damaged"),
      (
        [named(form), chunk(guid, foreign, at: 0, of: foreign.utf8.count)],
        "does not go with the rest"
      ),
    ]
    for (segments, reason) in cases {
      let image = try jpeg(segments)
      XCTAssertEqual(
        image.remarks, ["its XMP beyond one segment \(reason) and was left out"])
      XCTAssertFalse(text(image).contains("HasExtendedXMP"))
    }
  }

  func testHostileTextIsOnlyCarried() throws {
    let whole = named(#"<rdf:Description rdf:about="" xmpNote:HasExtendedXMP="\#(guid)"/>"#)
    let more = content("")
    let part = chunk(guid, more, at: 0, of: more.utf8.count)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var packet = whole
      var damaged = part
      for _ in 0..<3 {
        let place = Int.random(in: standard.count..<whole.count, using: &generator)
        packet[place] = UInt8.random(in: 0...255, using: &generator)
        let other = Int.random(in: extended.count..<part.count, using: &generator)
        damaged[other] = UInt8.random(in: 0...255, using: &generator)
      }
      packet.removeLast(Int.random(in: 0..<100, using: &generator))
      XCTAssertEqual(try jpeg([packet, damaged]).width, 2)
    }
  }
}
