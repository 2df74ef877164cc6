import Foundation

/// The images in a folder, and what in it is passed over. Names that begin with a dot are hidden
/// and count as nothing.
package struct ImageFolder: Sendable {
  /// Images that can be read, as paths within the folder, in the order of their bytes.
  package private(set) var files: [String] = []
  /// Images of formats that are not read, likewise.
  package private(set) var leftOut: [String] = []
  /// Folders that were not gone into, likewise.
  package private(set) var folders: [String] = []
  /// Folders inside that cannot be read, likewise, and why.
  package private(set) var faults: [(folder: String, reason: String)] = []

  /// The formats that are read, for messages.
  package static let readable: String = {
    let names = ImageFormat.readable.map(\.title)
    return names.dropLast().joined(separator: ", ") + " or " + names.suffix(1).joined()
  }()

  /// Endings of image files that are known as such and not read.
  private static let foreignEndings: Set<String> = [
    "apng", "arw", "avif", "cr2", "cr3", "dds", "dng", "exr", "gif", "hdr", "heic", "heif", "hif",
    "ico", "j2c", "j2k", "jng", "jp2", "jpf", "jpx", "jxl", "jxr", "mng", "nef", "orf", "pam",
    "pbm", "pcx", "pef", "pfm", "pgm", "pnm", "ppm", "psd", "qoi", "raf", "rw2", "sgi", "srw",
    "svg", "tga", "xcf",
  ]

  /// Whether a name has the ending of an image, readable or not.
  package static func namesImage(_ name: String) -> Bool {
    let ending = name.fileExtension.lowercased()
    return ImageFormat(pathExtension: ending) != nil || foreignEndings.contains(ending)
  }

  /// Looks into the folder.
  ///
  /// - Parameters:
  ///   - path: the folder.
  ///   - pdf: whether PDFs count as readable.
  ///   - recursive: whether to go into the folders inside; a folder that links lead to again is
  ///     gone into once.
  ///   - excluded: a folder that is not gone into, such as that of the results.
  /// - Throws: `FileError` when the folder cannot be read; one inside is among the `faults` then.
  package init(
    _ path: String, pdf: Bool = false, recursive: Bool = false, except excluded: String? = nil
  ) throws(FileError) {
    var seen = Set([path, excluded ?? path].compactMap(FileIdentity.init))
    try look(in: path, below: "", pdf: pdf, recursive: recursive, &seen)
  }

  private mutating func look(
    in root: String, below folder: String, pdf: Bool, recursive: Bool,
    _ seen: inout Set<FileIdentity>
  ) throws(FileError) {
    for name in try folderContents(root.appending(fileName: folder)) where !name.isHidden {
      let (inside, ending) = (folder.appending(fileName: name), name.fileExtension.lowercased())
      let path = root.appending(fileName: inside)
      if FileKind(path) == .folder {
        guard recursive else {
          folders.append(inside)
          continue
        }
        guard let identity = FileIdentity(path), seen.insert(identity).inserted else { continue }
        do {
          try look(in: root, below: inside, pdf: pdf, recursive: true, &seen)
        } catch {
          faults.append((inside, error.reason))
        }
      } else if ImageFormat(pathExtension: ending) != nil || pdf && ending == "pdf" {
        files.append(inside)
      } else if Self.foreignEndings.contains(ending) {
        leftOut.append(inside)
      }
    }
  }

  /// "2 images of other formats were left out: a.bmp, b.tif"; nil for none.
  package static func note(leftOut paths: [String]) -> String? {
    guard !paths.isEmpty else { return nil }
    let what =
      paths.count == 1
      ? "1 image of another format was" : "\(paths.count) images of other formats were"
    return "\(what) left out: \(listed(paths))"
  }

  /// The first few of `paths`, and how many more there are.
  package static func listed(_ paths: [String]) -> String {
    let shown = paths.prefix(3).joined(separator: ", ")
    return paths.count > 3 ? "\(shown) and \(paths.count - 3) more" : shown
  }
}

/// What the system knows a file by, whatever it is called.
package struct FileIdentity: Hashable, Sendable {
  private let device: UInt64
  private let number: UInt64

  /// The file at `path`, links followed; nil where there is none.
  package init?(_ path: String) {
    var status = stat()
    guard stat(path.systemPath, &status) == 0 else { return nil }
    (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
  }
}

extension String {
  fileprivate var isHidden: Bool { utf8.first == UInt8(ascii: ".") }
}
