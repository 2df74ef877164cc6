import Foundation
import Kernels

/// Pairs of images for training, by number. Degradation on the fly is another conforming type.
public protocol PairSource: Sendable {
  /// How many pairs an epoch has.
  var count: Int { get }
  /// Pair number `index`; random choices, if any, come from `generator`.
  /// - Throws: an error that names the file.
  func pair(_ index: Int, using generator: inout SplitMix64) throws -> (input: Image, target: Image)
}

/// Pairs read from files.
public struct FilePairSource: PairSource {
  private let pairs: [PairedFolder.Pair]
  private let cache: ImageCache

  /// Reads `folder`'s pairs, decoded images kept up to `cacheBytes`.
  public init(_ folder: PairedFolder, cacheBytes: Int) {
    pairs = folder.pairs
    cache = ImageCache(capacity: cacheBytes)
  }

  public var count: Int { pairs.count }

  public func pair(
    _ index: Int, using generator: inout SplitMix64
  ) throws -> (input: Image, target: Image) {
    let pair = pairs[index]
    let (input, target) = (try cache.image(pair.input), try cache.image(pair.target))
    guard input.width == target.width, input.height == target.height else {
      throw DataError("\(pair.input): not of the same size as \(pair.target)")
    }
    guard let right = pair.right else { return (input, target) }
    return (try Self.joined(input, try cache.image(right), path: right), target)
  }

  /// Left and right view as one image of twice the channels, as dual-pixel models take them.
  static func joined(_ left: Image, _ right: Image, path: String) throws -> Image {
    guard left.width == right.width, left.height == right.height, left.channels == right.channels
    else { throw DataError("\(path): not of the same size and channels as the left view") }
    var both = left
    both.channels = 2 * left.channels
    both.pixels = left.pixels + right.pixels
    return both
  }
}

/// Clean images to which Gaussian noise is added anew each time, as the authors train denoising.
public struct NoisySource: PairSource {
  private let paths: [String]
  private let sigma: ClosedRange<Double>
  private let cache: ImageCache

  /// - Parameters:
  ///   - folder: clean images.
  ///   - sigma: the noise's deviation, drawn uniformly from this range, for values of 0 to 255.
  /// - Throws: `DataError` when the folder holds no images.
  public init(folder: String, sigma: ClosedRange<Double>, cacheBytes: Int) throws {
    paths = try PairedFolder.images(folder).sorted { $0.key < $1.key }.map(\.value)
    self.sigma = sigma
    cache = ImageCache(capacity: cacheBytes)
  }

  public var count: Int { paths.count }

  public func pair(
    _ index: Int, using generator: inout SplitMix64
  ) throws -> (input: Image, target: Image) {
    let target = try cache.image(paths[index])
    var input = target
    let share = Double(generator.nextUnit())
    let level = Float((sigma.lowerBound + share * (sigma.upperBound - sigma.lowerBound)) / 255)
    for pixel in stride(from: 0, to: input.pixels.count, by: 2) {
      let (first, second) = gaussianPair(&generator)
      input.pixels[pixel] += level * first
      if pixel + 1 < input.pixels.count { input.pixels[pixel + 1] += level * second }
    }
    return (input, target)
  }
}

/// Two independent normal numbers by Box and Muller's transformation.
private func gaussianPair(_ generator: inout SplitMix64) -> (Float, Float) {
  let radius = (-2 * log(1 - generator.nextUnit())).squareRoot()
  let angle = 2 * Float.pi * generator.nextUnit()
  return (radius * cos(angle), radius * sin(angle))
}
