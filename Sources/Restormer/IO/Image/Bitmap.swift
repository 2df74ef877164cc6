import CImage

/// An image in memory as its file holds it: rows of interleaved samples of 8 or 16 bits, upright.
/// It takes the memory that it needs, where `Image` takes four bytes for each sample.
public struct Bitmap: Sendable {
  /// Pixels per row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// 1 for gray, 3 for RGB.
  public let channels: Int
  /// Whether a sample of opacity follows those of each pixel.
  public let hasAlpha: Bool
  /// Bits per sample: 8, or 16 in the machine's byte order.
  public let bitDepth: Int
  /// The ICC colour profile of the file, unparsed.
  public var iccProfile: [UInt8]?
  /// What was amiss in the file although all pixels could be read, for people.
  public var remarks: [String] = []
  /// What else the file says of its pixels.
  package var tags = ImageTags()
  private var bytes: [UInt8]

  /// A bitmap of the header's form, its values still to be set.
  init(_ header: ImageHeader) {
    (width, height) = (header.width, header.height)
    (channels, hasAlpha, bitDepth) = (header.channels, header.hasAlpha, header.bitDepth)
    // The system gives this memory only as rows arrive, so a header that claims more than the file
    // holds costs nothing.
    let count = width * height * header.pixelSize
    bytes = [UInt8](unsafeUninitializedCapacity: count) { _, initialized in initialized = count }
  }

  private var samples: Int { channels + (hasAlpha ? 1 : 0) }
  private var sampleSize: Int { bitDepth / 8 }

  /// Hands out the memory of all rows.
  mutating func fill(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
    bytes.withUnsafeMutableBufferPointer { body($0) }
  }

  /// Turns rows that were filled as stored.
  mutating func turnUpright(_ orientation: Orientation) {
    guard orientation != .up else { return }
    let size = samples * sampleSize
    let (storedWidth, storedHeight) = orientation.swapsSides ? (height, width) : (width, height)
    let stored = bytes
    bytes = [UInt8](unsafeUninitializedCapacity: stored.count) { upright, count in
      stored.withUnsafeBytes {
        orientation.apply(
          from: $0, to: UnsafeMutableRawBufferPointer(upright), size: size, width: storedWidth,
          height: storedHeight)
      }
      count = stored.count
    }
  }

  private func offset(_ plane: Int, _ y: Int, _ x: Int) -> Int {
    ((y * width + x) * samples + plane) * sampleSize
  }
}

extension Bitmap: Picture {
  func withChannels(_ channels: Int) -> Bitmap {
    var copy = Bitmap(
      ImageHeader(
        width: width, height: height, channels: channels, hasAlpha: hasAlpha, bitDepth: bitDepth,
        format: .png))
    (copy.iccProfile, copy.tags, copy.remarks) = (iccProfile, tags, remarks)
    if hasAlpha {
      for y in 0..<height { copy.write(copy.alphaPlane, y, row(alphaPlane, y)) }
    }
    return copy
  }

  func read(_ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    bytes.withUnsafeBufferPointer { bytes in
      cimage_unpack(
        bytes.baseAddress! + offset(plane, y, x.lowerBound), Int32(bitDepth), samples, x.count,
        values)
    }
  }

  mutating func write(_ plane: Int, _ y: Int, _ values: UnsafePointer<Float>) {
    let (offset, depth, step, count) = (offset(plane, y, 0), Int32(bitDepth), samples, width)
    bytes.withUnsafeMutableBufferPointer { bytes in
      cimage_pack(values, depth, step, count, bytes.baseAddress! + offset)
    }
  }
}

extension Image: Picture {
  var hasAlpha: Bool { alpha != nil }

  func withChannels(_ channels: Int) -> Image {
    var copy = self
    copy.channels = channels
    copy.pixels = [Float](repeating: 0, count: channels * width * height)
    return copy
  }

  /// The values of a bitmap as floats.
  public init(_ bitmap: Bitmap) {
    let plane = bitmap.width * bitmap.height
    func values(_ planes: Range<Int>) -> [Float] {
      [Float](unsafeUninitializedCapacity: planes.count * plane) { values, count in
        for (index, number) in planes.enumerated() {
          for y in 0..<bitmap.height {
            let row = values.baseAddress! + index * plane + y * bitmap.width
            bitmap.read(number, y, 0..<bitmap.width, into: row)
          }
        }
        count = planes.count * plane
      }
    }
    self.init(
      width: bitmap.width, height: bitmap.height, channels: bitmap.channels,
      pixels: values(0..<bitmap.channels),
      alpha: bitmap.hasAlpha ? values(bitmap.alphaPlane..<bitmap.alphaPlane + 1) : nil,
      bitDepth: bitmap.bitDepth, iccProfile: bitmap.iccProfile)
    (tags, remarks) = (bitmap.tags, bitmap.remarks)
  }

  func read(_ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    let start = y * width + x.lowerBound
    if plane == alphaPlane, let alpha {
      alpha.withUnsafeBufferPointer {
        values.update(from: $0.baseAddress! + start, count: x.count)
      }
    } else {
      pixels.withUnsafeBufferPointer {
        values.update(from: $0.baseAddress! + plane * width * height + start, count: x.count)
      }
    }
  }

  mutating func write(_ plane: Int, _ y: Int, _ values: UnsafePointer<Float>) {
    if plane == alphaPlane {
      let (start, count) = (y * width, width)
      alpha?.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + start).update(from: values, count: count)
      }
    } else {
      let (start, count) = ((plane * height + y) * width, width)
      pixels.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + start).update(from: values, count: count)
      }
    }
  }
}
