/// Pictures of one size as files that fit a limit: exact if possible, else as JPEG, else smaller
/// too.
struct EncodedViews {
  /// The files, all in one format and size so that nothing but the pictures differs.
  let files: [[UInt8]]
  /// Their format.
  let format: ImageFormat
  /// Their size, where it is not that of the images.
  let shown: (width: Int, height: Int)?

  /// Browsers do not draw larger pictures well.
  private static let longestSide = 8192
  /// Below this the limit is not worth keeping.
  private static let shortestSide = 160
  /// Bytes that a pixel takes as PNG of a page of text and as JPEG, at best.
  private static let leastPNG = 0.08
  private static let leastJPEG = 0.06

  /// Encodes `images` into about `limit` bytes altogether.
  /// - Throws: `ImageError` for an image that cannot be encoded.
  init(_ images: [Image], limit: Int) throws {
    precondition(!images.isEmpty, "EncodedViews: no images")
    let samples = Double(images.reduce(0) { $0 + $1.width * $1.height })
    let longest = max(images[0].width, images[0].height)
    if longest <= Self.longestSide, samples * Self.leastPNG <= Double(limit) {
      let exact = try images.map { try $0.encode(format: .png) }
      if Self.size(exact) <= limit {
        (files, format, shown) = (exact, .png, nil)
        return
      }
    }
    var scale = min(1, Double(Self.longestSide) / Double(longest))
    scale = min(scale, (Double(limit) / (samples * Self.leastJPEG)).squareRoot())
    while true {
      let smaller = images.map { $0.scaled(by: max(scale, Self.least(longest))) }
      let lossy = try smaller.map { try $0.encode(format: .jpeg, quality: 90) }
      let excess = Double(Self.size(lossy)) / Double(max(1, limit))
      if excess <= 1 || scale <= Self.least(longest) {
        let size = (width: smaller[0].width, height: smaller[0].height)
        (files, format) = (lossy, .jpeg)
        shown = size == (images[0].width, images[0].height) ? nil : size
        return
      }
      scale *= min(0.9, 0.95 / excess.squareRoot())
    }
  }

  private static func least(_ longest: Int) -> Double {
    min(1, Double(shortestSide) / Double(longest))
  }

  private static func size(_ files: [[UInt8]]) -> Int { files.reduce(0) { $0 + $1.count } }
}

extension Image {
  /// The image at another size, its colours' meaning kept.
  func scaled(by factor: Double) -> Image {
    guard factor < 1 else { return self }
    let small = PlanarImage(self).resampled(
      width: max(1, Int((Double(width) * factor).rounded())),
      height: max(1, Int((Double(height) * factor).rounded())))
    var copy = Image(small)
    (copy.iccProfile, copy.tags) = (iccProfile, tags.ofPixels)
    return copy
  }

  /// A small square-bound JPEG for lists.
  func thumbnail(side: Int) throws -> [UInt8] {
    try scaled(by: Double(side) / Double(max(width, height))).encode(format: .jpeg, quality: 80)
  }
}
