import Foundation

/// Training or validation data is not as it must be.
public struct DataError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Degraded and clean images of the same name in two folders.
public struct PairedFolder: Sendable {
  /// One pair of files.
  public struct Pair: Sendable, Hashable {
    /// The degraded image; for a dual-pixel pair its left view.
    public let input: String
    /// The clean image.
    public let target: String
    /// The right view of a dual-pixel pair.
    public let right: String?
  }

  /// The pairs, sorted by name.
  public let pairs: [Pair]

  /// Names of the folders with degraded and clean images, in the order they are looked for.
  private static let folderNames = [
    ("input", "target"), ("lq", "gt"), ("inputs", "targets"), ("degraded", "clean"),
  ]

  /// Finds the two folders in `root` and pairs their files.
  /// - Throws: `DataError` naming what is missing.
  public init(root: String) throws {
    guard let (input, target) = Self.folders(in: root) else {
      throw DataError("\(root): no folders 'input' and 'target' (or 'lq' and 'gt') in it")
    }
    try self.init(input: input, target: target)
  }

  /// Whether the two folders of pairs are in `root`.
  public static func isPaired(_ root: String) -> Bool { folders(in: root) != nil }

  /// The folder of clean images in a folder of pairs; nil for another folder.
  static func targets(in root: String) -> String? { folders(in: root)?.target }

  private static func folders(in root: String) -> (input: String, target: String)? {
    folderNames.lazy.map { ("\(root)/\($0)", "\(root)/\($1)") }.first { input, target in
      [input, target].allSatisfy { FileManager.default.fileExists(atPath: $0) }
    }
  }

  /// Takes every image of `clean` as both, to be degraded on the fly.
  /// - Throws: `DataError` when there are none.
  public init(clean: String) throws {
    let targets = try Self.images(clean)
    pairs = targets.keys.sorted().compactMap { targets[$0] }.map {
      Pair(input: $0, target: $0, right: nil)
    }
  }

  /// Pairs the images of two or three folders by name; the extension may differ. Two or three files are one pair,
  /// whatever their names.
  ///
  /// - Parameters:
  ///   - input: degraded images, or left views.
  ///   - target: clean images.
  ///   - right: right views, if there are any.
  ///   - nameTemplate: the name of a degraded image, `{}` being that of the clean one.
  /// - Throws: `DataError` naming files without a partner and pairs of unequal size.
  public init(
    input: String, target: String, right: String? = nil, nameTemplate: String = "{}"
  ) throws {
    if [input, target].allSatisfy(Self.isFile), right.map(Self.isFile) ?? true {
      pairs = [Pair(input: input, target: target, right: right)]
      try checkSizes()
      return
    }
    guard nameTemplate.contains("{}") else {
      throw DataError("name template '\(nameTemplate)', expected {} in it")
    }
    let targets = try Self.images(target)
    var partners = targets
    if nameTemplate != "{}" {
      partners = Dictionary(
        uniqueKeysWithValues: targets.map { (nameTemplate.replacing("{}", with: $0), $1) })
    }
    let inputs = try Self.matched(try Self.images(input), partners)
    let rights = try right.map { try Self.matched(try Self.images($0), partners) }
    pairs = partners.keys.sorted().compactMap { name in
      guard let first = inputs[name], let second = partners[name] else { return nil }
      return Pair(input: first, target: second, right: rights?[name])
    }
    try checkSizes()
  }

  /// `images`, which must have the names of `partners`.
  private static func matched(
    _ images: [String: String], _ partners: [String: String]
  ) throws -> [String: String] {
    let lonely =
      images.keys.filter { partners[$0] == nil }.compactMap { images[$0] }
      + partners.keys.filter { images[$0] == nil }.compactMap { partners[$0] }
    guard lonely.isEmpty else {
      throw DataError("\(listed(lonely)): no partner of the same name in the other folder")
    }
    return images
  }

  private func checkSizes() throws {
    let unequal = try pairs.filter { pair in
      let target = try Image.header(of: pair.target)
      return try [pair.input, pair.right].compactMap { $0 }.contains {
        let view = try Image.header(of: $0)
        return view.width != target.width || view.height != target.height
      }
    }
    guard unequal.isEmpty else {
      throw DataError(
        "\(Self.listed(unequal.map(\.input))): not of the same size as its partner")
    }
  }

  private static func isFile(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && !isDirectory.boolValue
  }

  private static func images(_ folder: String) throws -> [String: String] {
    if isFile(folder) {
      return [((folder as NSString).lastPathComponent as NSString).deletingPathExtension: folder]
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw DataError("\(folder): the folder cannot be read")
    }
    var result: [String: String] = [:]
    for name in names where !name.hasPrefix(".") {
      let path = name as NSString
      guard ImageFormat(pathExtension: path.pathExtension.lowercased()) != nil else { continue }
      guard result.updateValue("\(folder)/\(name)", forKey: path.deletingPathExtension) == nil
      else {
        throw DataError("\(folder)/\(name): another image has the same name")
      }
    }
    guard !result.isEmpty else { throw DataError("\(folder): no PNG or JPEG image in this folder") }
    return result
  }

  private static func listed(_ paths: [String]) -> String {
    let shown = paths.sorted().prefix(3).joined(separator: ", ")
    return paths.count > 3 ? "\(shown) and \(paths.count - 3) more" : shown
  }
}
