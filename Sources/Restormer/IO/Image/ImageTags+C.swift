import CImage

extension ImageTags {
  init(_ tags: CImageTags) {
    if tags.has_srgb != 0 { sRGBIntent = tags.srgb_intent }
    if tags.gamma > 0 { gamma = tags.gamma }
    if tags.has_chromaticities != 0 {
      chromaticities = withUnsafeBytes(of: tags.chromaticities) {
        Array($0.bindMemory(to: Int32.self))
      }
    }
    let density = SIMD2(tags.pixels_per_meter_x, tags.pixels_per_meter_y)
    if density.x > 0, density.y > 0 { pixelsPerMeter = density }
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
    pixels_per_meter_x = tags.pixelsPerMeter?.x ?? 0
    pixels_per_meter_y = tags.pixelsPerMeter?.y ?? 0
  }
}
