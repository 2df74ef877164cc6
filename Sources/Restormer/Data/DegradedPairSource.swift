import Basics

/// Endless pairs from clean pages: every call cuts a patch at random and degrades it at random.
package struct DegradedPairSource: PairSource {
  /// A page once for every `area` pixels of it.
  private let pages: [String]
  private let recipe: DegradationRecipe
  private let channels: Int
  private let cache: ImageCache

  private static let area = 256 * 256

  /// Takes the pages of `folder`. A page counts once for every 256 x 256 pixels, so an epoch shows
  /// about everything once, and large pages come up more often than small crops.
  ///
  /// - Parameters:
  ///   - folder: clean images; only the targets of its pairs are used.
  ///   - recipe: what is done to them.
  ///   - channels: 1 or 3, of the pairs.
  ///   - cacheBytes: how much memory decoded pages may keep.
  /// - Throws: `ImageError` for a file that is no image.
  package init(
    _ folder: PairedFolder, recipe: DegradationRecipe, channels: Int, cacheBytes: Int
  ) throws {
    (self.recipe, self.channels) = (recipe, channels)
    cache = ImageCache(for: folder.pairs.map(\.target), limit: cacheBytes)
    pages = try folder.pairs.flatMap { pair in
      let header = try Image.header(of: pair.target)
      let shares = (header.width * header.height + Self.area - 1) / Self.area
      return [String](repeating: pair.target, count: shares)
    }
  }

  package var count: Int { pages.count }

  package var cacheBytes: Int { cache.capacity }

  package func pair(
    _ index: Int, patch: Int, using generator: inout SplitMix64
  ) throws -> TrainingPair {
    let page = try cache.image(pages[index])
    let degradation = recipe.draw(using: &generator)
    let window = PageWindow(size: patch, in: page, using: &generator)
    return try degradation.pair(from: page, window: window, channels: channels)
  }
}
