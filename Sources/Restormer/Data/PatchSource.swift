import Foundation
import Kernels

/// How patches are cut and varied.
public struct PatchOptions: Sendable, Hashable {
  /// Rows and columns of a patch.
  public var size: Int
  /// Patches of a batch.
  public var batch: Int
  /// Flip and rotate at random.
  public var augment = true
  /// Mix pairs of patches with a random share, as the authors do for denoising; nil for not.
  public var mixup: Double?

  /// Square patches of `size` pixels, `batch` at a time.
  public init(size: Int, batch: Int) { (self.size, self.batch) = (size, batch) }
}

/// Cuts batches out of pairs, each determined by the seed and its number alone.
public struct PatchSampler: Sendable {
  private let source: any PairSource
  private let channels: (input: Int, target: Int)
  private let normalization: ImageNormalization
  private let seed: UInt64

  /// A sampler for a model's channels.
  public init(
    _ source: any PairSource, model: ModelConfiguration, normalization: ImageNormalization,
    seed: UInt64
  ) {
    self.source = source
    channels = (model.inputChannels, model.outputChannels)
    self.normalization = normalization
    self.seed = seed
  }

  /// A batch and what went wrong on the way: files that could not be read were replaced by others.
  public struct Result: Sendable {
    /// The patches.
    public let batch: Batch
    /// Files that could not be read, one line each.
    public let faults: [String]
  }

  /// Batch number `index` of the run, with patches from position `first` of the endless shuffled sequence of pairs.
  /// - Throws: `DataError` when ten pairs in a row cannot be read.
  public func batch(index: Int, first: Int, _ options: PatchOptions) throws -> Result {
    var generator = SplitMix64(seed: seed &+ UInt64(index) &* 0xD134_2543_DE82_EF95)
    var faults: [String] = []
    var (inputs, targets): ([Float], [Float]) = ([], [])
    for position in first..<first + options.batch {
      let (input, target) = try readablePair(position, &faults, &generator)
      let window = cut(input, size: options.size, &generator)
      let symmetry = options.augment ? Symmetry.allCases[Int(generator.next() % 8)] : .identity
      inputs += try patch(input, window, options.size, symmetry, channels.input)
      targets += try patch(target, window, options.size, symmetry, channels.target)
    }
    if let beta = options.mixup { mix(&inputs, &targets, options.batch, beta, &generator) }
    let shape = Shape(options.batch, channels.input, options.size, options.size)
    return Result(
      batch: Batch(inputShape: shape, input: inputs, target: targets), faults: faults)
  }

  /// The pair at a position of the endless sequence: every epoch is a permutation of all pairs of its own.
  private func readablePair(
    _ position: Int, _ faults: inout [String], _ generator: inout SplitMix64
  ) throws -> (Image, Image) {
    var index = shuffled(position)
    for _ in 0..<10 {
      do {
        return try source.pair(index, using: &generator)
      } catch {
        faults.append("\(error)")
        index = (index + 1) % source.count
      }
    }
    throw DataError("ten images in a row cannot be read, the last: \(faults.last ?? "")")
  }

  private func shuffled(_ position: Int) -> Int {
    let (epoch, place) = (position / source.count, position % source.count)
    var generator = SplitMix64(seed: seed ^ (UInt64(epoch) &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    var order = Array(0..<source.count)
    order.shuffle(using: &generator)
    return order[place]
  }

  private func cut(
    _ image: Image, size: Int, _ generator: inout SplitMix64
  ) -> (x: Int, y: Int) {
    let spanX = max(0, image.width - size) + 1
    let spanY = max(0, image.height - size) + 1
    return (Int(generator.next() % UInt64(spanX)), Int(generator.next() % UInt64(spanY)))
  }

  private func patch(
    _ image: Image, _ window: (x: Int, y: Int), _ size: Int, _ symmetry: Symmetry, _ channels: Int
  ) throws -> [Float] {
    let planar = PlanarImage(
      width: image.width, height: image.height, channels: image.channels, pixels: image.pixels)
    let cut = symmetry.apply(
      to: planar.window(x: window.x, y: window.y, width: size, height: size))
    var pixels = try converted(cut, to: channels)
    normalization.apply(to: &pixels, channels: channels)
    return pixels
  }

  /// Gray to colour by repetition, colour to gray by the mean.
  private func converted(_ image: PlanarImage, to channels: Int) throws -> [Float] {
    let plane = image.width * image.height
    switch (image.channels, channels) {
    case (let same, _) where same == channels: return image.pixels
    case (1, 3): return image.pixels + image.pixels + image.pixels
    case (3, 1):
      return (0..<plane).map {
        (image.pixels[$0] + image.pixels[plane + $0] + image.pixels[2 * plane + $0]) / 3
      }
    default: throw DataError("images of \(image.channels) channels for a model of \(channels)")
    }
  }

  /// `x = l x + (1 - l) x'` with a permuted batch `x'`, one `l` from Beta(beta, beta) for the batch.
  private func mix(
    _ inputs: inout [Float], _ targets: inout [Float], _ count: Int, _ beta: Double,
    _ generator: inout SplitMix64
  ) {
    let share = Float(betaDistributed(beta, &generator))
    var order = Array(0..<count)
    order.shuffle(using: &generator)
    for values in [0, 1] {
      let old = values == 0 ? inputs : targets
      var new = old
      let stride = old.count / count
      for item in 0..<count {
        for index in 0..<stride {
          new[item * stride + index] =
            share * old[item * stride + index] + (1 - share) * old[order[item] * stride + index]
        }
      }
      if values == 0 { inputs = new } else { targets = new }
    }
  }
}

/// A draw from Beta(a, a) by Jöhnk's method.
func betaDistributed(_ a: Double, _ generator: inout SplitMix64) -> Double {
  while true {
    let x = pow(Double(generator.nextUnit()), 1 / a)
    let y = pow(Double(generator.nextUnit()), 1 / a)
    if x + y <= 1, x + y > 0 { return x / (x + y) }
  }
}
