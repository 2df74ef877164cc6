/// Where the pairs of a data set lie.
public struct DataFolders: Sendable, Hashable {
  /// The degraded images, or without `target` a folder with `input` and `target` in it; nil when
  /// clean images are degraded on the fly.
  public var input: String?
  /// The clean images.
  public var target: String?
  /// The right views of a dual-pixel camera; `input` then holds the left ones.
  public var right: String?
  /// The name of a degraded image, `{}` being that of the clean one, both without extension.
  public var nameTemplate = "{}"
  /// Noise that makes the degraded images from the clean ones.
  public var noise: GaussianNoise?
  /// What makes degraded images from the clean ones, as photographs of pages and the like.
  public var degradation: DegradationRecipe?

  /// `input` holds the degraded and `target` the clean images; without `target` it is the folder of
  /// both.
  public init(input: String? = nil, target: String? = nil) {
    (self.input, self.target) = (input, target)
  }

  /// Takes the pairs, or the clean images, of another folder, and leaves what degrades them as it
  /// is.
  ///
  /// - Parameters:
  ///   - root: as `input` without `target`; for a dual-pixel model a folder with `inputL`, `inputR`
  ///     and `target` in it.
  ///   - isDualPixel: whether the model takes two views.
  public mutating func move(to root: String, isDualPixel: Bool) {
    (input, target, right, nameTemplate) = (root, nil, nil, "{}")
    if isDualPixel {
      (input, right, target) = ("\(root)/inputL", "\(root)/inputR", "\(root)/target")
    }
  }

  /// The pairs of files, checked: every partner is there and of the same size.
  /// - Throws: `DataError` naming what is missing or does not fit.
  package func pairs() throws -> PairedFolder {
    if noise != nil || degradation != nil {
      guard let clean = target ?? input else {
        throw DataError(
          "clean images are to be degraded, but no folder of them (dataroot_gt) is given")
      }
      return try PairedFolder(clean: PairedFolder.targets(in: clean) ?? clean)
    }
    guard let input else {
      throw DataError("no folder of degraded images (dataroot_lq) is given")
    }
    guard let target else { return try PairedFolder(root: input) }
    return try PairedFolder(
      input: input, target: target, right: right, nameTemplate: nameTemplate)
  }

  /// The folders that images are read from.
  package var imageFolders: [String] {
    if noise != nil || degradation != nil {
      return [target ?? input].compactMap { $0 }.map { PairedFolder.targets(in: $0) ?? $0 }
    }
    guard let input, target == nil else { return [input, target, right].compactMap { $0 } }
    return PairedFolder.folders(in: input).map { [$0.input, $0.target] } ?? []
  }

  /// The pairs to train `model` on; decoded images are kept up to `cacheBytes`.
  /// - Throws: `DataError` as `pairs`, `ImageError` for a file that is no image.
  package func source(
    for model: ModelConfiguration, cacheBytes: Int
  ) throws -> any PairSource {
    guard let degradation else {
      return FilePairSource(try pairs(), noise: noise, cacheBytes: cacheBytes)
    }
    return try DegradedPairSource(
      try pairs(), recipe: degradation, channels: model.outputChannels, cacheBytes: cacheBytes)
  }

  /// What is impossible, in one line, or nil.
  var fault: String? {
    guard degradation != nil else { return nil }
    if noise != nil { return "degrade and noise (sigma_type) exclude each other" }
    if right != nil { return "degrade makes no right views (dataroot_lqR)" }
    if input != nil, target != nil {
      return "degrade makes the degraded images from the clean ones: leave dataroot_lq away"
    }
    return nil
  }
}
