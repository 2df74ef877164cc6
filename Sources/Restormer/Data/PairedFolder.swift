import Foundation

/// Training or validation data is not as it must be.
public struct DataError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Degraded and clean images of the same name in two folders.
package struct PairedFolder: Sendable {
  /// One pair of files.
  package struct Pair: Sendable, Hashable {
    /// The degraded image; for a dual-pixel pair its left view.
    package let input: String
    /// The clean image.
    package let target: String
    /// The right view of a dual-pixel pair.
    package let right: String?
  }

  /// The pairs, sorted by name.
  package private(set) var pairs: [Pair] = []
  /// What is wrong with files that were passed over, one line each.
  package private(set) var faults: [String] = []
  /// What happens to files without a partner and pairs of unequal size.
  package enum Rule: Sendable {
    /// They are an error.
    case strict
    /// They are passed over and named in `faults`, as long as there is a pair left.
    case tolerant
  }

  /// Names of the folders with degraded and clean images, in the order they are looked for.
  private static let folderNames = [
    ("input", "target"), ("lq", "gt"), ("inputs", "targets"), ("degraded", "clean"),
  ]

  /// Finds the two folders in `root` and pairs their files.
  /// - Throws: `DataError` naming what is missing.
  package init(root: String) throws {
    guard let (input, target) = Self.folders(in: root) else {
      // Names the reason where there is another one.
      _ = try NamedImages.contents(of: root)
      throw DataError("\(root): no folders 'input' and 'target' (or 'lq' and 'gt') in it")
    }
    try self.init(input: input, target: target)
  }

  /// Whether the two folders of pairs are in `root`.
  package static func isPaired(_ root: String) -> Bool { folders(in: root) != nil }

  /// The folder of clean images in a folder of pairs; nil for another folder.
  static func targets(in root: String) -> String? { folders(in: root)?.target }

  static func folders(in root: String) -> (input: String, target: String)? {
    folderNames.lazy.map { ("\(root)/\($0)", "\(root)/\($1)") }.first { input, target in
      FileKind(input) != nil && FileKind(target) != nil
    }
  }

  /// Takes every image of `clean` as both, to be degraded on the fly.
  /// - Throws: `DataError` when there are none.
  package init(clean: String) throws {
    let names = try NamedImages(clean)
    if let twin = names.byName.values.first(where: { $0.count > 1 }) {
      throw DataError("\(twin[1]): another image has the same name")
    }
    pairs = names.sortedNames.compactMap { names.byName[$0]?.first }.map {
      Pair(input: $0, target: $0, right: nil)
    }
  }

  /// Pairs the images of two or three folders by name; the extension may differ. Two or three files
  /// are one pair, whatever their names.
  ///
  /// - Parameters:
  ///   - input: degraded images, or left views.
  ///   - target: clean images.
  ///   - right: right views, if there are any.
  ///   - nameTemplate: the name of a degraded image, `{}` being that of the clean one.
  ///   - rule: what happens to files that fit no other.
  /// - Throws: `DataError` naming files without a partner and pairs of unequal size, `ImageError`
  ///   for a file that is no image; with `.tolerant` only where no pair is left.
  package init(
    input: String, target: String, right: String? = nil, nameTemplate: String = "{}",
    rule: Rule = .strict
  ) throws {
    if [input, target, right ?? target].allSatisfy({ FileKind($0) == .file }) {
      pairs = [Pair(input: input, target: target, right: right)]
      try checkSizes(.strict)
      return
    }
    guard nameTemplate.contains("{}") else {
      throw DataError("name template '\(nameTemplate)', expected {} in it")
    }
    let targets = try NamedImages(target, nameTemplate)
    let inputs = try NamedImages(input)
    let rights = try right.map { try NamedImages($0) }
    var lonely = Set(([inputs, targets] + [rights].compactMap { $0 }).flatMap(\.paths))
    for name in targets.sortedNames {
      for second in targets.byName[name] ?? [] {
        guard let first = inputs.partner(of: second, targets, name) else { continue }
        let view = rights?.partner(of: second, targets, name)
        guard rights == nil || view != nil else { continue }
        pairs.append(Pair(input: first, target: second, right: view))
        lonely.subtract([first, second, view].compactMap { $0 })
      }
    }
    try passOver(
      lonely.sorted(by: String.precedes), rule, "no partner of the same name in the other folder")
    try checkSizes(rule)
  }

  /// The targets by the bytes of their inputs' paths.
  package var targetOfInput: [[UInt8]: String] {
    Dictionary(
      pairs.map { (Array($0.input.utf8), $0.target) }, uniquingKeysWith: { first, _ in first })
  }

  private mutating func checkSizes(_ rule: Rule) throws {
    var (equal, unequal) = ([Pair](), [String]())
    for pair in pairs {
      do {
        if try Self.isEqual(pair) { equal.append(pair) } else { unequal.append(pair.input) }
      } catch  where rule == .tolerant && pairs.count > 1 {
        faults.append("\(error)")
      }
    }
    pairs = equal
    try passOver(unequal, rule, "not of the same size as its partner")
    if pairs.isEmpty, let fault = faults.first { throw DataError(fault) }
  }

  private static func isEqual(_ pair: Pair) throws -> Bool {
    let target = try Image.header(of: pair.target)
    return try [pair.input, pair.right].compactMap { $0 }.allSatisfy {
      let view = try Image.header(of: $0)
      return view.width == target.width && view.height == target.height
    }
  }

  private mutating func passOver(_ paths: [String], _ rule: Rule, _ reason: String) throws {
    guard !paths.isEmpty else { return }
    guard rule == .tolerant, !pairs.isEmpty else {
      throw DataError("\(ImageFolder.listed(paths)): \(reason)")
    }
    faults += paths.map { "\($0): \(reason)" }
  }
}

/// The images of a folder by what they are to be matched by: the bytes of their names without
/// extension. Two names that look the same need not be the same.
private struct NamedImages {
  private(set) var byName: [[UInt8]: [String]] = [:]

  /// - Parameters:
  ///   - path: a folder, or one image.
  ///   - template: what a name becomes, `{}` being the name.
  init(_ path: String, _ template: String = "{}") throws {
    if FileKind(path) == .file {
      byName[Array(path.fileStem.utf8)] = [path]
      return
    }
    let folder = try Self.contents(of: path)
    for file in folder.files {
      let name = template == "{}" ? file.fileStem : template.replacing("{}", with: file.fileStem)
      byName[Array(name.utf8), default: []].append(path.appending(fileName: file))
    }
    guard !byName.isEmpty else {
      let others = ImageFolder.note(leftOut: folder.leftOut).map { "; \($0)" } ?? ""
      throw DataError("\(path): no \(ImageFolder.readable) image in this folder\(others)")
    }
  }

  static func contents(of path: String) throws -> ImageFolder {
    do {
      return try ImageFolder(path)
    } catch {
      throw DataError("\(path): the folder cannot be read: \(error.reason)")
    }
  }

  var sortedNames: [[UInt8]] { byName.keys.sorted { $0.lexicographicallyPrecedes($1) } }

  var paths: [String] { byName.values.flatMap { $0 } }

  /// The image here that belongs to `file`, which `others` have under `name`; among several that of
  /// the same extension.
  func partner(of file: String, _ others: NamedImages, _ name: [UInt8]) -> String? {
    guard let found = byName[name] else { return nil }
    if found.count == 1, others.byName[name]?.count == 1 { return found[0] }
    return found.first { $0.fileExtension == file.fileExtension }
  }
}
