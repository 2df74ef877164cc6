extension Image {
  /// Writes the image beside `path` and renames it there: never a part of a file, and no temporary
  /// one left behind.
  ///
  /// Values are clamped to [0, 1], scaled and rounded, halves to even; NaN becomes 0. The colour
  /// profile, EXIF and XMP are kept, the orientation is upright.
  /// - Parameters:
  ///   - path: the file, which is replaced if it is there.
  ///   - format: PNG has `bitDepth` bits and keeps alpha. JPEG has 8 bits, and lays a transparent
  ///     image over white, as viewers show it.
  ///   - quality: of JPEG, 1 to 100; from 90 on colour keeps its full resolution.
  /// - Throws: `ImageError` if the file cannot be written or the image does not fit the format.
  public func write(
    to path: String, format: ImageFormat, quality: Int = 95
  ) throws(ImageError) {
    checkShape()
    if let fault = writeFile(path, format, quality) { throw ImageError(path: path, fault: fault) }
  }

  /// The bytes of the file that `write` would write.
  /// - Throws: `ImageError`, without a path, if the image does not fit the format.
  public func encode(format: ImageFormat, quality: Int = 95) throws(ImageError) -> [UInt8] {
    checkShape()
    return try encodedFile(format, quality)
  }
}

extension Bitmap {
  /// Writes the image as `Image` does.
  /// - Throws: `ImageError` as `Image`.
  public func write(
    to path: String, format: ImageFormat, quality: Int = 95
  ) throws(ImageError) {
    if let fault = writeFile(path, format, quality) { throw ImageError(path: path, fault: fault) }
  }

  /// The bytes of the file that `write` would write.
  /// - Throws: `ImageError`, without a path, if the image does not fit the format.
  public func encode(format: ImageFormat, quality: Int = 95) throws(ImageError) -> [UInt8] {
    try encodedFile(format, quality)
  }
}

extension Bitmap {
  /// What a file of `format` cannot say of the image besides its pixels, for people.
  public func losses(as format: ImageFormat) -> [String] { EncodedNotes(self, format).losses }
}

extension Picture {
  fileprivate func encodedFile(
    _ format: ImageFormat, _ quality: Int
  ) throws(ImageError) -> [UInt8] {
    var file: [UInt8] = []
    let encoder = ImageEncoder(self, format) {
      file += $0
      return true
    }
    if let fault = encoder.encode(quality: quality) { throw ImageError(path: "", fault: fault) }
    return file
  }

  /// Encodes into a file that appears under its name whole or not at all.
  /// - Returns: the fault in one line, nil for none.
  fileprivate func writeFile(_ path: String, _ format: ImageFormat, _ quality: Int) -> String? {
    var stopped: FileError?
    do throws(FileError) {
      let file = try AtomicFile(path: path)
      let encoder = ImageEncoder(self, format) { bytes in
        do throws(FileError) { try file.write(bytes) } catch { stopped = error }
        return stopped == nil
      }
      let fault = encoder.encode(quality: quality)
      if let stopped { throw stopped }
      if fault == nil { try file.commit() }
      return fault
    } catch {
      return "cannot \(error.operation): \(error.reason)"
    }
  }
}
