import Foundation

extension Bitmap {
  /// Reads an image file, whichever of `ImageFormat.readable` the content is: PNG of any kind, JPEG
  /// gray, in colour or CMYK. Orientation by EXIF or XMP is applied to the pixels.
  /// - Throws: `ImageError` if the file cannot be read, or is damaged or cut short so that a pixel
  ///   is missing: there are no partly decoded images. Damage that costs no pixel is in `remarks`.
  public init(contentsOf path: String) throws(ImageError) {
    self = try ImageReader(ByteSource(InputFile(path: path))).bitmap()
    ImageRemarks.tell(path, remarks)
  }

  /// Decodes the bytes of an image file; `path` is only for the error's text.
  /// - Throws: `ImageError` as `init(contentsOf:)`.
  public init(bytes: UnsafeRawBufferPointer, path: String = "") throws(ImageError) {
    self = try ImageReader(ByteSource(bytes, path: path)).bitmap()
  }
}

extension Image {
  /// What a file holds, from a few short reads and without decoding it.
  /// - Throws: `ImageError` if the file cannot be read, is not an image or claims a size that is
  ///   not supported.
  public static func header(of path: String) throws(ImageError) -> ImageHeader {
    try ImageReader(ByteSource(InputFile(path: path))).header
  }

  /// What the bytes of a file hold; `path` is only for the error's text.
  /// - Throws: `ImageError` as for a file.
  public static func header(
    of bytes: UnsafeRawBufferPointer, path: String = ""
  ) throws(ImageError) -> ImageHeader {
    try ImageReader(ByteSource(bytes, path: path)).header
  }

  /// Reads an image file as `Bitmap` does.
  /// - Throws: `ImageError` as `Bitmap`.
  public init(contentsOf path: String) throws(ImageError) {
    self.init(try Bitmap(contentsOf: path))
  }

  /// Decodes the bytes of an image file; `path` is only for the error's text.
  /// - Throws: `ImageError` as `Bitmap`.
  public init(bytes: UnsafeRawBufferPointer, path: String = "") throws(ImageError) {
    self.init(try Bitmap(bytes: bytes, path: path))
  }
}
