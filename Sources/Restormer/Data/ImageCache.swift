import Foundation

/// Decoded images up to a number of bytes; what is over is decoded again each time.
final class ImageCache: @unchecked Sendable {
  /// Bytes that all kept images may come to.
  let capacity: Int
  private let lock = NSLock()
  private var images: [String: KeptImage] = [:]
  private var bytes = 0

  /// A cache for the images at `paths`, of at most `limit` bytes.
  init(for paths: [String], limit: Int) {
    var sum = 0
    for path in paths {
      guard sum < limit else { break }
      sum += (try? Image.header(of: path)).map(KeptImage.bytes) ?? 0
    }
    capacity = min(limit, sum)
  }

  func image(_ path: String) throws -> Image {
    if let known = lock.withLock({ images[path] }) { return known.image }
    let image = try Image(contentsOf: path)
    let kept = KeptImage(image)
    lock.withLock {
      guard images[path] == nil, bytes + kept.bytes <= capacity else { return }
      images[path] = kept
      bytes += kept.bytes
    }
    return image
  }
}

/// The pixels of an image, in one byte each where the file had no more.
private enum KeptImage {
  case levels([UInt8], width: Int, height: Int, channels: Int)
  case values(Image)

  init(_ image: Image) {
    guard image.bitDepth == 8 else {
      var opaque = image
      (opaque.alpha, opaque.iccProfile) = (nil, nil)
      self = .values(opaque)
      return
    }
    self = .levels(
      image.pixels.map { UInt8(($0 * 255).rounded()) }, width: image.width, height: image.height,
      channels: image.channels)
  }

  /// The image as the decoder gives it, without transparency and notes.
  var image: Image {
    switch self {
    case .levels(let levels, let width, let height, let channels):
      Image(
        width: width, height: height, channels: channels, pixels: levels.map { Float($0) / 255 })
    case .values(let image): image
    }
  }

  var bytes: Int {
    switch self {
    case .levels(let levels, _, _, _): levels.count
    case .values(let image): 4 * image.pixels.count
    }
  }

  /// Bytes of a file's pixels, before they are decoded.
  static func bytes(_ header: ImageHeader) -> Int {
    header.width * header.height * header.channels * (header.bitDepth == 8 ? 1 : 4)
  }
}
