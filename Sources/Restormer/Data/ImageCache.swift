import Foundation

/// Decoded images up to a number of bytes; what is over is decoded again each time.
final class ImageCache: @unchecked Sendable {
  private let capacity: Int
  private let lock = NSLock()
  private var images: [String: Image] = [:]
  private var bytes = 0

  init(capacity: Int) { self.capacity = capacity }

  func image(_ path: String) throws -> Image {
    if let known = lock.withLock({ images[path] }) { return known }
    let image = try Image(contentsOf: path)
    let size = 4 * image.pixels.count
    lock.withLock {
      guard images[path] == nil, bytes + size <= capacity else { return }
      images[path] = image
      bytes += size
    }
    return image
  }
}
