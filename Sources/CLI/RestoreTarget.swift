import Foundation
import Restormer

/// What `restore --output` names.
enum RestoreTarget {
  /// A folder that gets a result for each image.
  case folder(String)
  /// The one result.
  case file(String, ImageFormat)
  /// The one result goes to standard output.
  case standardOutput(ImageFormat)

  /// A name with an image's ending is a file; everything else, what is a folder already and what
  /// ends in a slash is a folder; `-` is standard output.
  ///
  /// - Parameter format: what was asked for, nil for the one that the name says, else PNG.
  /// - Throws: `RestoreFailure` when no image can be written there, or only in another format than
  ///   asked for.
  init(_ output: String, format: ImageFormat?) throws {
    if output == "-" {
      guard isatty(STDOUT_FILENO) == 0 else {
        throw RestoreFailure(
          description: "-o -: standard output is a terminal; send it to a file or a program")
      }
      self = .standardOutput(format ?? .png)
      return
    }
    guard !isFolder(output), output.utf8.last != UInt8(ascii: "/"),
      ImageFolder.namesImage(output)
    else {
      self = .folder(output)
      return
    }
    guard let named = ImageFormat(pathExtension: output.fileExtension),
      ImageFormat.writable.contains(named)
    else {
      throw RestoreFailure(
        description: "\(output): only PNG and JPEG images are written "
          + "(a folder of that name: \(output)/)")
    }
    guard format == nil || format == named else {
      throw RestoreFailure(
        description: "\(output): named as \(named), but -f asks for \(format ?? named)")
    }
    self = .file(output, named)
  }
}
