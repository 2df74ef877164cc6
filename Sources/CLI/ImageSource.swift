import Foundation
import Restormer

/// An image to be read: a file, or standard input.
struct ImageSource {
  let header: ImageHeader
  private let path: String
  /// What came from standard input, which can be read once.
  private let given: [UInt8]?

  private static let limit = 1 << 30

  /// - Throws: `ImageError` for what is no image; `RestoreFailure` for more than a GiB of standard input.
  init(_ path: String) throws {
    guard path == InputFile.standardInput else {
      (self.path, given) = (path, nil)
      header = try Image.header(of: path)
      return
    }
    let bytes = try Self.standardInput()
    (self.path, given) = ("standard input", bytes)
    header = try bytes.withUnsafeBytes { try Image.header(of: $0, path: "standard input") }
  }

  /// The decoded image.
  func image() throws -> Bitmap {
    guard let given else { return try Bitmap(contentsOf: path) }
    return try given.withUnsafeBytes { try Bitmap(bytes: $0, path: path) }
  }

  /// The file's bytes.
  func bytes() throws -> [UInt8] { try given ?? Array(mappedFile(path)) }

  private static func standardInput() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let more = try FileHandle.standardInput.read(upToCount: 1 << 20), !more.isEmpty {
      bytes += more
      guard bytes.count <= limit else {
        throw RestoreFailure(description: "standard input: more than 1 GiB, expected an image")
      }
    }
    return bytes
  }
}

extension Image {
  /// The image as a file of `format` gives it back.
  init(encoded image: Bitmap, as format: ImageFormat) throws {
    self = try image.encode(format: format).withUnsafeBytes { try Image(bytes: $0) }
  }
}
