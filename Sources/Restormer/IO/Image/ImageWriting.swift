import CImage

extension Image {
  /// Writes the image beside `path` and renames it there: never a part of a file, and no temporary
  /// one left behind.
  ///
  /// Values are clamped to [0, 1], scaled and rounded, halves to even; NaN becomes 0. The colour
  /// profile is kept, the orientation is upright.
  /// - Parameters:
  ///   - format: PNG has `bitDepth` bits and keeps alpha. JPEG has 8 bits, and lays a transparent
  ///     image over white, as viewers show it.
  ///   - quality: of JPEG, 1 to 100; from 90 on colour keeps its full resolution.
  /// - Throws: `ImageError` if the file cannot be written or the image does not fit the format.
  public func write(
    to path: String, format: ImageFormat, quality: Int = 95
  ) throws(ImageError) {
    var file = try encoded(format, quality, path)
    defer { cimage_release(&file) }
    do {
      try writeAtomically(UnsafeRawBufferPointer(start: file.bytes, count: file.count), to: path)
    } catch {
      throw ImageError(path: path, fault: "cannot \(error.operation): \(error.reason)")
    }
  }

  /// The bytes of the file that `write` would write.
  /// - Throws: `ImageError`, without a path, if the image does not fit the format.
  public func encode(format: ImageFormat, quality: Int = 95) throws(ImageError) -> [UInt8] {
    var file = try encoded(format, quality, "")
    defer { cimage_release(&file) }
    return Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
  }

  private func encoded(
    _ format: ImageFormat, _ quality: Int, _ path: String
  ) throws(ImageError) -> CImageBytes {
    checkShape()
    try checkSize(path)
    var layout = CImageLayout(self)
    var tags = CImageTags(tags)
    let profile = writableProfile
    var file = CImageBytes()
    var message = [CChar](repeating: 0, count: Int(CIMAGE_ERROR_LENGTH))
    let done = Image.withOptional(alpha) { alpha in
      Image.withOptional(profile) { icc in
        let size = profile?.count ?? 0
        return switch format {
        case .png:
          cimage_encode_png(&layout, pixels, alpha, &tags, icc, size, &file, &message)
        case .jpeg:
          cimage_encode_jpeg(
            &layout, pixels, alpha, &tags, icc, size, Int32(min(max(quality, 1), 100)), &file,
            &message)
        }
      }
    }
    guard done != 0 else { throw ImageError(path: path, fault: Image.text(message)) }
    return file
  }

  private func checkSize(_ path: String) throws(ImageError) {
    guard width <= ImageHeader.maximumSide, height <= ImageHeader.maximumSide else {
      throw ImageError(path: path, fault: "\(width) x \(height) pixels is too large to write")
    }
  }

  /// The profile unless it describes the other number of channels: bytes 16 to 19 name its colour
  /// space. After a change of channels the old one would be wrong, and a file with it invalid.
  private var writableProfile: [UInt8]? {
    guard let iccProfile, !iccProfile.isEmpty else { return nil }
    let wrong = channels == 3 ? "GRAY" : "RGB "
    return iccProfile.dropFirst(16).starts(with: wrong.utf8) ? nil : iccProfile
  }

  private static func withOptional<T, R>(
    _ array: [T]?, _ body: (UnsafePointer<T>?) -> R
  ) -> R {
    array?.withUnsafeBufferPointer { body($0.baseAddress) } ?? body(nil)
  }
}
