import CImage

/// Colour, resolution and notes that a file carries besides its pixels and profile.
package struct ImageTags: Equatable, Sendable {
  /// The rendering intent of an sRGB chunk, 0 to 3.
  package var sRGBIntent: Int32?
  /// The encoding exponent times 100,000, of a gAMA chunk.
  package var gamma: Int32?
  /// White, red, green and blue, x then y, times 100,000, of a cHRM chunk.
  package var chromaticities: [Int32]?
  /// Primaries, transfer, matrix and range by ITU-T H.273, of a cICP chunk.
  package var codingPoints: [UInt8]?
  /// Resolution along x and y.
  package var pixelsPerMeter: SIMD2<UInt32>?
  /// How a pixel's density along x relates to that along y, where no unit is known.
  package var aspect: SIMD2<UInt32>?
  /// EXIF from its TIFF header on; its orientation is that of the pixels here, upright.
  package var exif: [UInt8]?
  /// The XMP packet; its orientation likewise.
  package var xmp: [UInt8]?

  /// No notes.
  package init() {}

  /// Those that tell how to show the pixels, without EXIF and XMP.
  package var ofPixels: ImageTags {
    var tags = self
    (tags.exif, tags.xmp) = (nil, nil)
    return tags
  }

  /// The resolution after rows and columns have been exchanged.
  mutating func exchangeSides() {
    pixelsPerMeter = pixelsPerMeter.map { SIMD2($0.y, $0.x) }
    aspect = aspect.map { SIMD2($0.y, $0.x) }
  }
}

extension ImageTags {
  init(_ tags: CImageTags) {
    if tags.has_srgb != 0 { sRGBIntent = tags.srgb_intent }
    if tags.gamma > 0 { gamma = tags.gamma }
    if tags.has_chromaticities != 0 {
      chromaticities = withUnsafeBytes(of: tags.chromaticities) {
        Array($0.bindMemory(to: Int32.self))
      }
    }
    if tags.has_cicp != 0 { codingPoints = withUnsafeBytes(of: tags.cicp) { Array($0) } }
    let density = SIMD2(tags.density_x, tags.density_y)
    guard density.x > 0, density.y > 0 else { return }
    if tags.density_unit == CIMAGE_PER_METER { pixelsPerMeter = density }
    if tags.density_unit == CIMAGE_ASPECT { aspect = density }
  }
}

extension CImageTags {
  init(_ tags: ImageTags) {
    self.init()
    has_srgb = tags.sRGBIntent == nil ? 0 : 1
    srgb_intent = tags.sRGBIntent ?? 0
    gamma = tags.gamma ?? 0
    if let values = tags.chromaticities {
      has_chromaticities = 1
      withUnsafeMutableBytes(of: &chromaticities) { field in
        values.withUnsafeBytes { field.copyMemory(from: $0) }
      }
    }
    if let points = tags.codingPoints {
      has_cicp = 1
      withUnsafeMutableBytes(of: &cicp) { $0.copyBytes(from: points) }
    }
    let unit = tags.pixelsPerMeter == nil ? CIMAGE_ASPECT : CIMAGE_PER_METER
    if let density = tags.pixelsPerMeter ?? tags.aspect {
      density_unit = Int32(unit)
      (density_x, density_y) = (density.x, density.y)
    }
  }
}
