/// Where the pairs of a data set lie.
public struct DataFolders: Sendable, Hashable {
  /// The degraded images, or without `target` a folder with `input` and `target` in it; nil when clean
  /// images are degraded on the fly.
  public var input: String?
  /// The clean images.
  public var target: String?
  /// The right views of a dual-pixel camera; `input` then holds the left ones.
  public var right: String?
  /// The name of a degraded image, `{}` being that of the clean one, both without extension.
  public var nameTemplate = "{}"
  /// Noise that makes the degraded images from the clean ones.
  public var noise: GaussianNoise?

  /// `input` holds the degraded and `target` the clean images; without `target` it is the folder of both.
  public init(input: String? = nil, target: String? = nil) {
    (self.input, self.target) = (input, target)
  }

  /// The pairs of files, checked: every partner is there and of the same size.
  /// - Throws: `DataError` naming what is missing or does not fit.
  public func pairs() throws -> PairedFolder {
    if noise != nil {
      guard let clean = target ?? input else {
        throw DataError(
          "noise is to be added, but no folder of clean images (dataroot_gt) is given")
      }
      return try PairedFolder(clean: clean)
    }
    guard let input else {
      throw DataError("no folder of degraded images (dataroot_lq) is given")
    }
    guard let target else { return try PairedFolder(root: input) }
    return try PairedFolder(
      input: input, target: target, right: right, nameTemplate: nameTemplate)
  }
}
