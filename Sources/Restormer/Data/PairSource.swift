import Basics

/// A degraded image and its clean twin, of the same width and height, values in [0, 1].
package struct TrainingPair: Sendable {
  /// The degraded image; six channels for a dual-pixel pair, left view first.
  package let input: PlanarImage
  /// The clean image.
  package let target: PlanarImage

  /// A pair.
  /// - Precondition: both have the same width and height.
  package init(input: PlanarImage, target: PlanarImage) {
    precondition(
      input.width == target.width && input.height == target.height,
      "TrainingPair: \(input.width)x\(input.height) and \(target.width)x\(target.height)")
    (self.input, self.target) = (input, target)
  }
}

/// Pairs of images for training, by number. Degradation on the fly is another conforming type.
package protocol PairSource: Sendable {
  /// How many pairs an epoch has.
  var count: Int { get }

  /// Bytes of decoded images that may come to be kept in memory.
  var cacheBytes: Int { get }

  /// Pair number `index`: whole images, or a part of at least `patch` rows and columns. Random
  /// choices, if any, come from `generator` alone, so that batches repeat.
  /// - Throws: an error that names the file.
  func pair(
    _ index: Int, patch: Int, using generator: inout SplitMix64
  ) throws -> TrainingPair

  /// Degrades a patch that was cut from an input: planar, values in [0, 1], before normalisation.
  func degrade(_ patch: inout [Float], using generator: inout SplitMix64)
}

extension PairSource {
  /// None.
  package var cacheBytes: Int { 0 }

  /// Leaves the patch as it is.
  package func degrade(_ patch: inout [Float], using generator: inout SplitMix64) {}
}

/// Pairs read from files.
package struct FilePairSource: PairSource {
  private let pairs: [PairedFolder.Pair]
  private let noise: GaussianNoise?
  private let cache: ImageCache

  /// Reads `folder`'s pairs, decoded images kept up to `cacheBytes`; `noise` is added to every
  /// patch.
  package init(_ folder: PairedFolder, noise: GaussianNoise? = nil, cacheBytes: Int) {
    (pairs, self.noise) = (folder.pairs, noise)
    cache = ImageCache(
      for: pairs.flatMap { [$0.input, $0.target, $0.right].compactMap { $0 } }, limit: cacheBytes)
  }

  package var cacheBytes: Int { cache.capacity }

  package var count: Int { pairs.count }

  package func pair(
    _ index: Int, patch: Int, using generator: inout SplitMix64
  ) throws -> TrainingPair {
    try pairs[index].images(cache.image)
  }

  package func degrade(_ patch: inout [Float], using generator: inout SplitMix64) {
    noise?.add(to: &patch, using: &generator)
  }
}

extension PairedFolder.Pair {
  /// The images that `read` gives for its files, as a network is to see them: two views are
  /// stacked.
  /// - Throws: `DataError` for images of unequal size, what `read` throws.
  func images(_ read: (String) throws -> Image) throws -> TrainingPair {
    var input = PlanarImage(try read(self.input))
    let target = self.target == self.input ? input : PlanarImage(try read(self.target))
    if let right {
      input = try input.colour.stacked(on: PlanarImage(try read(right)).colour, of: right)
    }
    guard input.width == target.width, input.height == target.height else {
      throw DataError("\(self.input): not of the same size as \(self.target)")
    }
    return TrainingPair(input: input, target: target)
  }
}

extension PlanarImage {
  /// The pixels of `image` without its transparency.
  init(_ image: Image) {
    self.init(
      width: image.width, height: image.height, channels: image.channels, pixels: image.pixels)
  }

  /// Three channels: a gray image three times.
  var colour: PlanarImage {
    guard channels == 1 else { return self }
    return PlanarImage(
      width: width, height: height, channels: 3, pixels: pixels + pixels + pixels)
  }

  /// These channels, then those of `other`, which was read from `path`.
  fileprivate func stacked(on other: PlanarImage, of path: String) throws -> PlanarImage {
    guard width == other.width, height == other.height else {
      throw DataError("\(path): not of the same size as the left view")
    }
    return PlanarImage(
      width: width, height: height, channels: channels + other.channels,
      pixels: pixels + other.pixels)
  }

  /// The image for a network of `wanted` channels: gray is repeated, colour becomes its luma
  /// (0.299, 0.587, 0.114), as image readers convert it.
  func converted(to wanted: Int) throws -> PlanarImage {
    if channels == wanted { return self }
    if channels == 1, wanted == 3 { return colour }
    guard channels == 3, wanted == 1 else {
      throw DataError("images of \(channels) channels for a network of \(wanted)")
    }
    let plane = width * height
    let gray = [Float](unsafeUninitializedCapacity: plane) { out, count in
      for i in 0..<plane {
        out[i] = 0.299 * pixels[i] + 0.587 * pixels[plane + i] + 0.114 * pixels[2 * plane + i]
      }
      count = plane
    }
    return PlanarImage(width: width, height: height, channels: 1, pixels: gray)
  }
}
