import CImage
import Foundation

/// An image file opened by its format's library: the header is what that library says, so that no
/// two readers can disagree.
final class ImageReader {
  /// What the file holds.
  let header: ImageHeader
  private let source: ByteSource
  private let reader: UnsafeMutablePointer<CImageReader>
  private let exif: EXIF?
  private let xmp: (packet: [UInt8], remark: String?)

  /// Reads up to the pixels.
  /// - Throws: `ImageError` for what is no image, is damaged, or claims a size that is not
  ///   supported.
  init(_ source: ByteSource) throws(ImageError) {
    self.source = source
    let format = try ImageFormat.sniff(source.start(16), path: source.path)
    guard let reader = format.open(source.c) else { throw source.error("out of memory") }
    self.reader = reader
    exif = EXIF((format == .tiff ? TIFFNotes.exif(source) : nil) ?? [UInt8](reader.pointee.exif))
    let packet = [UInt8](reader.pointee.xmp)
    xmp =
      format == .jpeg
      ? ExtendedXMP.join(packet, chunks: [UInt8](reader.pointee.more_xmp)) : (packet, nil)
    let orientation =
      exif?.orientation ?? XMP(xmp.packet).orientation
      ?? Orientation(rawValue: Int(reader.pointee.orientation))
    header = ImageHeader(reader.pointee.layout, format, orientation ?? .up)
    if let fault = Self.text(&reader.pointee.error) { throw source.error(fault) }
    try header.checkSize(source, isUnbounded: reader.pointee.unbounded != 0)
  }

  deinit { cimage_close(reader) }

  /// Decodes the pixels, once.
  /// - Throws: `ImageError` for damage and truncation: there are no partly decoded images.
  func bitmap() throws(ImageError) -> Bitmap {
    let copies = header.orientation == .up ? 1 : 2
    let count = header.width * header.height * header.pixelSize
    // An array that cannot grow ends the process, so the memory is asked for first.
    guard let asked = malloc(copies * count) else {
      throw source.error("needs \(copies * count >> 20) MiB of memory, more than is free")
    }
    free(asked)
    let stride = Int(reader.pointee.layout.width) * header.pixelSize
    var isWhole = false
    var bitmap = Bitmap(header)
    bitmap.fill { pixels in
      isWhole = cimage_read(reader, pixels.baseAddress, stride) != 0
    }
    guard isWhole else { throw source.error(Self.text(&reader.pointee.error) ?? "is damaged") }
    bitmap.turnUpright(header.orientation)
    addNotes(to: &bitmap)
    return bitmap
  }

  private func addNotes(to bitmap: inout Bitmap) {
    let file = reader.pointee
    bitmap.iccProfile = file.icc.count > 0 ? [UInt8](file.icc) : nil
    bitmap.tags = ImageTags(file.tags)
    let exchanged = header.orientation.swapsSides
    if exchanged { bitmap.tags.exchangeSides() }
    if var exif {
      exif.setUpright(exchangingSides: exchanged)
      bitmap.tags.exif = exif.bytes
      if bitmap.tags.pixelsPerMeter == nil, bitmap.tags.aspect == nil {
        bitmap.tags.pixelsPerMeter = exif.pixelsPerMeter
      }
    }
    if !xmp.packet.isEmpty {
      var upright = XMP(xmp.packet)
      upright.setUpright()
      bitmap.tags.xmp = upright.bytes
    }
    if let remark = xmp.remark { bitmap.remarks.append(remark) }
    if let remark = Self.text(&reader.pointee.remark) { bitmap.remarks.append(remark) }
  }

  /// The text that C left, nil for none.
  private static func text<T>(_ field: inout T) -> String? {
    withUnsafeBytes(of: &field) { bytes in
      let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      return text.isEmpty ? nil : text
    }
  }
}

extension ImageFormat {
  fileprivate func open(_ source: CImageSource) -> UnsafeMutablePointer<CImageReader>? {
    switch self {
    case .png: cimage_open_png(source)
    case .jpeg: cimage_open_jpeg(source)
    case .tiff: cimage_open_tiff(source)
    case .webp: cimage_open_webp(source)
    case .bmp: cimage_open_bmp(source)
    }
  }
}

extension [UInt8] {
  fileprivate init(_ bytes: CImageBytes) {
    self.init(UnsafeBufferPointer(start: bytes.bytes, count: bytes.count))
  }
}
