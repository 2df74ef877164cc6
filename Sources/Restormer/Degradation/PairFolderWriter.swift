import Foundation
import Kernels

/// Makes degraded and clean pairs out of clean pages: `input/NAME.png` and `target/NAME.png`, as training and
/// evaluation take them.
public struct PairFolderWriter: Sendable {
  /// The folder that gets `input` and `target`.
  public let folder: String
  /// What is done to the pages.
  public let recipe: DegradationRecipe
  /// Decides, with the page's name, every random choice.
  public let seed: UInt64
  /// Pairs from each page.
  public let count: Int
  /// Rows and columns of a random part of the page; nil for the whole page.
  public let crop: Int?
  /// Pixels per inch of a PDF's pages.
  public let dpi: Int
  /// Whether the pairs are gray, whatever the pages are.
  public let gray: Bool

  /// Takes the settings; nothing is written yet.
  public init(
    folder: String, recipe: DegradationRecipe, seed: UInt64, count: Int = 1, crop: Int? = nil,
    dpi: Int = 110, gray: Bool = false
  ) {
    (self.folder, self.recipe, self.seed) = (folder, recipe, seed)
    (self.count, self.crop, self.dpi, self.gray) = (count, crop, dpi, gray)
  }

  /// The names, without extension, of the pairs that `page` becomes.
  public func names(of page: CleanPage) -> [String] {
    guard count > 1 else { return [page.name] }
    return (1...count).map { "\(page.name)-v\(padded($0, of: count))" }
  }

  /// The two files of a pair.
  public func files(_ name: String) -> (input: String, target: String) {
    ("\(folder)/input/\(name).png", "\(folder)/target/\(name).png")
  }

  /// Writes all pairs of a page, and says what was drawn for each.
  ///
  /// A page's pairs depend on its name, not on the other pages or the number of pairs: a set can grow.
  /// - Throws: `ImageError` when the page cannot be read or a file cannot be written, `ProgramError` for a PDF.
  public func write(_ page: CleanPage) throws -> [DegradationManifest.Entry] {
    let image = try page.image(dpi: dpi)
    return try names(of: page).enumerated().map { try write(image, of: page, $1, variant: $0 + 1) }
  }

  private func write(
    _ image: Image, of page: CleanPage, _ name: String, variant: Int
  ) throws -> DegradationManifest.Entry {
    var generator = SplitMix64(seed: Self.seed(seed, page, variant))
    let degradation = recipe.draw(using: &generator)
    let window =
      crop.map { PageWindow(size: $0, in: image, using: &generator) } ?? PageWindow(of: image)
    let pair = try degradation.pair(from: image, window: window, channels: gray ? 1 : nil)
    try write(pair, name, bitDepth: image.bitDepth)
    return DegradationManifest.Entry(
      file: name + ".png", page: page, dpi: dpi, recipe: recipe, seed: seed,
      channels: pair.target.channels, window: window, degradation: degradation)
  }

  /// Both files are complete before the first gets its name: a clean image without its twin would stop whoever reads
  /// the folder.
  private func write(_ pair: TrainingPair, _ name: String, bitDepth: Int) throws {
    let paths = files(name)
    var target = Image(pair.target)
    target.bitDepth = bitDepth
    let written = try [(target, paths.target), (Image(pair.input), paths.input)].map {
      let file = try AtomicFile(path: $1)
      try $0.encode(format: .png).withUnsafeBytes { try file.write($0) }
      return file
    }
    for file in written { try file.commit() }
  }

  /// A seed of its own for each pair: FNV-1a of the page's name, number and variant, stirred.
  private static func seed(_ seed: UInt64, _ page: CleanPage, _ variant: Int) -> UInt64 {
    let stem = ((page.path as NSString).lastPathComponent as NSString).deletingPathExtension
    var hash = FNV1a()
    hash.add("\(stem)/\(page.pageNumber ?? 0)/\(variant)".utf8)
    var generator = SplitMix64(seed: hash.value ^ (seed &* 0x9E37_79B9_7F4A_7C15))
    return generator.next()
  }
}
