import Basics
import Foundation
import Kernels

/// Makes degraded and clean pairs out of clean pages: `input/NAME.png` and `target/NAME.png`, as
/// training and evaluation take them.
package struct PairFolderWriter: Sendable {
  /// The folder that gets `input` and `target`.
  package let folder: String
  /// What is done to the pages.
  package let recipe: DegradationRecipe
  /// Decides, with the page's name, every random choice.
  package let seed: UInt64
  /// Pairs from each page.
  package let count: Int
  /// Rows and columns of a random part of the page; nil for the whole page.
  package let crop: Int?
  /// Pixels per inch of a PDF's pages.
  package let dpi: Int
  /// Whether the pairs are gray, whatever the pages are.
  package let gray: Bool

  /// Takes the settings; nothing is written yet.
  package init(
    folder: String, recipe: DegradationRecipe, seed: UInt64, count: Int = 1, crop: Int? = nil,
    dpi: Int = 110, gray: Bool = false
  ) {
    (self.folder, self.recipe, self.seed) = (folder, recipe, seed)
    (self.count, self.crop, self.dpi, self.gray) = (count, crop, dpi, gray)
  }

  /// The names, without extension, of the pairs that `page` becomes.
  package func names(of page: CleanPage) -> [String] {
    guard count > 1 else { return [page.name] }
    return (1...count).map { "\(page.name)-v\(padded($0, of: count))" }
  }

  /// The two files of a pair.
  package func files(_ name: String) -> (input: String, target: String) {
    ("\(folder)/input/\(name).png", "\(folder)/target/\(name).png")
  }

  /// Writes all pairs of a page, and says what was drawn for each.
  ///
  /// A page's pairs depend on its name, not on the other pages or the number of pairs: a set can
  /// grow. Pairs that are there already, whole and the same, are left as they are.
  ///
  /// - Parameters:
  ///   - page: the page.
  ///   - known: the record of the folder.
  ///   - overwrite: replace whatever has a pair's name.
  ///   - each: told of every pair once it is there, and whether it was so before; what it throws
  ///     ends the page.
  /// - Throws: `ImageError` when the page cannot be read, `FileError` when a file cannot be
  ///   written, `ProgramError` for a PDF; `DataError` for files in a pair's place that are another
  ///   pair's.
  @discardableResult
  package func write(
    _ page: CleanPage, known: DegradationManifest? = nil, overwrite: Bool = false,
    each: (DegradationManifest.Entry, _ wasThere: Bool) throws -> Void = { _, _ in }
  ) throws -> [DegradationManifest.Entry] {
    let image = try page.image(dpi: dpi)
    return try names(of: page).enumerated().map { index, name in
      let plan = draw(image, of: page, name, variant: index + 1)
      let wasThere = try !overwrite && isThere(plan, name, of: image, known)
      if !wasThere { try make(plan, name, of: image, known, overwrite) }
      try each(plan.entry, wasThere)
      return plan.entry
    }
  }

  /// What is to be done for a pair.
  private struct Plan {
    let entry: DegradationManifest.Entry
    let degradation: Degradation
    let window: PageWindow
  }

  private func draw(_ image: Image, of page: CleanPage, _ name: String, variant: Int) -> Plan {
    var generator = SplitMix64(seed: Self.seed(seed, page, variant))
    let degradation = recipe.draw(using: &generator)
    let window =
      crop.map { PageWindow(size: $0, in: image, using: &generator) } ?? PageWindow(of: image)
    let entry = DegradationManifest.Entry(
      file: name + ".png", page: page, dpi: dpi, recipe: recipe, seed: seed,
      channels: gray ? 1 : image.channels, window: window, degradation: degradation)
    return Plan(entry: entry, degradation: degradation, window: window)
  }

  /// Whether the record has this very pair and both files are whole: the clean one is compared with
  /// the page.
  private func isThere(
    _ plan: Plan, _ name: String, of image: Image, _ known: DegradationManifest?
  ) throws -> Bool {
    let paths = files(name)
    guard known?.entry(name)?.isSamePair(as: plan.entry) ?? false,
      let target = try? Image(contentsOf: paths.target),
      let input = try? Image(contentsOf: paths.input),
      input.width == plan.window.width, input.height == plan.window.height
    else { return false }
    let clean = try plan.window.cut(image).converted(to: plan.entry.channels)
    let level: Float = image.bitDepth == 16 ? 1 / 65535 : 1 / 255
    return target.width == clean.width && target.height == clean.height
      && target.channels == clean.channels
      && zip(target.pixels, clean.pixels).allSatisfy { abs($0 - $1) < 0.6 * level }
  }

  /// Both files are complete before the first gets its name: a clean image without its twin would
  /// stop whoever reads the folder.
  private func make(
    _ plan: Plan, _ name: String, of image: Image, _ known: DegradationManifest?, _ overwrite: Bool
  ) throws {
    let paths = files(name)
    let recorded = overwrite ? nil : known?.entry(name)
    if let recorded, !recorded.isSamePair(as: plan.entry) {
      for path in [paths.input, paths.target] { try Self.check(path, is: nil) }
    }
    let pair = try plan.degradation.pair(
      from: image, window: plan.window, channels: gray ? 1 : nil)
    var target = Image(pair.target)
    target.bitDepth = image.bitDepth
    let made = [
      (path: paths.target, bytes: try target.encode(format: .png)),
      (path: paths.input, bytes: try Image(pair.input).encode(format: .png)),
    ]
    // Files that nobody recorded may be this pair's, from a process that was killed: then they are
    // the same.
    if !overwrite, recorded == nil {
      for (path, bytes) in made { try Self.check(path, is: bytes) }
    }
    let written = try made.map { path, bytes in
      let file = try AtomicFile(path: path)
      try bytes.withUnsafeBytes { try file.write($0) }
      return file
    }
    for file in written { try file.commit() }
  }

  /// - Throws: `DataError` when there is a file at `path` that does not consist of `bytes`.
  private static func check(_ path: String, is bytes: [UInt8]?) throws {
    guard FileKind(path) != nil else { return }
    if let bytes, (try? mappedFile(path))?.elementsEqual(bytes) ?? false { return }
    throw DataError("\(path) exists, of another seed, recipe or page (--overwrite replaces it)")
  }

  /// A seed of its own for each pair: FNV-1a of the page's name, number and variant, stirred.
  private static func seed(_ seed: UInt64, _ page: CleanPage, _ variant: Int) -> UInt64 {
    var hash = FNV1a()
    hash.add("\(page.path.fileStem)/\(page.pageNumber ?? 0)/\(variant)".utf8)
    var generator = SplitMix64(seed: hash.value ^ (seed &* 0x9E37_79B9_7F4A_7C15))
    return generator.next()
  }
}
