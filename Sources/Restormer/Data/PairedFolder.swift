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
    /// The degraded image.
    public let input: String
    /// The clean image.
    public let target: String
    /// The right view of a dual-pixel pair, whose left view is the input.
    public var right: String?
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
    for (input, target) in Self.folderNames {
      let paths = ["\(root)/\(input)", "\(root)/\(target)"]
      if paths.allSatisfy({ FileManager.default.fileExists(atPath: $0) }) {
        try self.init(input: paths[0], target: paths[1])
        return
      }
    }
    throw DataError("\(root): no folders 'input' and 'target' (or 'lq' and 'gt') in it")
  }

  /// Pairs the images of two folders by name; the extension may differ.
  /// - Throws: `DataError` naming files without a partner and pairs of unequal size.
  public init(input: String, target: String) throws {
    let (inputs, targets) = (try Self.images(input), try Self.images(target))
    let lonely =
      inputs.keys.filter { targets[$0] == nil }.compactMap { inputs[$0] }
      + targets.keys.filter { inputs[$0] == nil }.compactMap { targets[$0] }
    guard lonely.isEmpty else {
      throw DataError("\(Self.listed(lonely)): no partner of the same name in the other folder")
    }
    pairs = inputs.keys.sorted().compactMap { name in
      guard let first = inputs[name], let second = targets[name] else { return nil }
      return Pair(input: first, target: second, right: nil)
    }
    let unequal = try pairs.filter { pair in
      let (a, b) = (try Image.header(of: pair.input), try Image.header(of: pair.target))
      return a.width != b.width || a.height != b.height
    }
    guard unequal.isEmpty else {
      throw DataError("\(Self.listed(unequal.map(\.input))): not of the same size as the target")
    }
  }

  /// Pairs the left views with the right ones of another folder.
  /// - Throws: `DataError` naming a left view without its right one.
  public func adding(right folder: String) throws -> PairedFolder {
    let rights = try Self.images(folder)
    return PairedFolder(
      pairs: try pairs.map { pair in
        let name = ((pair.input as NSString).lastPathComponent as NSString).deletingPathExtension
        guard let right = rights[name] else {
          throw DataError("\(pair.input): no right view of the same name in \(folder)")
        }
        return Pair(input: pair.input, target: pair.target, right: right)
      })
  }

  private init(pairs: [Pair]) { self.pairs = pairs }

  static func images(_ folder: String) throws -> [String: String] {
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
