import Basics
import Kernels

/// How patches are cut and varied.
package struct PatchOptions: Sendable, Hashable {
  /// Rows and columns of a patch.
  package var size: Int
  /// Patches of a batch.
  package var batch: Int
  /// Flip and rotate at random.
  package var augment = true
  /// Mix patches of a batch; nil for not.
  package var mixup: Mixup?
  /// Go through the pairs in an order that is new in every epoch.
  package var shuffle = true

  /// Square patches of `size` pixels, `batch` at a time.
  package init(size: Int, batch: Int) { (self.size, self.batch) = (size, batch) }
}

/// Cuts batches out of pairs, each determined by the seed and its number alone.
package struct PatchSampler: Sendable {
  private let source: any PairSource
  private let channels: (input: Int, target: Int)
  private let normalization: ImageNormalization
  private let seed: UInt64

  /// A sampler for a model's channels.
  package init(
    _ source: any PairSource, model: ModelConfiguration, normalization: ImageNormalization,
    seed: UInt64
  ) {
    self.source = source
    channels = (model.inputChannels, model.outputChannels)
    self.normalization = normalization
    self.seed = seed
  }

  /// A batch and what went wrong on the way: files that could not be read were replaced by others.
  package struct Result: Sendable {
    /// The patches.
    package let batch: Batch
    /// Files that could not be read, one line each.
    package let faults: [String]
  }

  /// Batch number `index` of the run, with patches from position `first` of the endless sequence of
  /// pairs.
  /// - Throws: `DataError` when ten pairs in a row cannot be read, or have the wrong channels.
  package func batch(index: Int, first: Int, _ options: PatchOptions) throws -> Result {
    var generator = SplitMix64(seed: seed &+ UInt64(index) &* 0xD134_2543_DE82_EF95)
    var faults: [String] = []
    var (inputs, targets): ([Float], [Float]) = ([], [])
    var order = EpochOrder(count: source.count, seed: options.shuffle ? seed : nil)
    for position in first..<first + options.batch {
      let start = order.pair(at: position)
      let pair = try readablePair(start, options.size, &faults, &generator)
      let window = cut(pair.input, size: options.size, &generator)
      let symmetry = options.augment ? Symmetry.allCases[Int(generator.next() % 8)] : .identity
      var input = try patch(pair.input, window, options.size, symmetry, channels.input)
      source.degrade(&input, using: &generator)
      inputs += input
      targets += try patch(pair.target, window, options.size, symmetry, channels.target)
    }
    options.mixup?.mix(&inputs, &targets, count: options.batch, using: &generator)
    normalization.apply(to: &inputs, batch: options.batch, channels: channels.input)
    normalization.apply(to: &targets, batch: options.batch, channels: channels.target)
    let shape = Shape(options.batch, channels.input, options.size, options.size)
    return Result(
      batch: Batch(inputShape: shape, input: inputs, target: targets), faults: faults)
  }

  /// Pair number `start`, or the next one that can be read.
  private func readablePair(
    _ start: Int, _ patch: Int, _ faults: inout [String], _ generator: inout SplitMix64
  ) throws -> TrainingPair {
    for attempt in 0..<10 {
      do {
        return try source.pair(
          (start + attempt) % source.count, patch: patch, using: &generator)
      } catch {
        faults.append("\(error)")
      }
    }
    throw DataError("ten images in a row cannot be read, the last: \(faults.last ?? "")")
  }

  private func cut(
    _ image: PlanarImage, size: Int, _ generator: inout SplitMix64
  ) -> (x: Int, y: Int) {
    let spanX = max(0, image.width - size) + 1
    let spanY = max(0, image.height - size) + 1
    return (Int(generator.next() % UInt64(spanX)), Int(generator.next() % UInt64(spanY)))
  }

  private func patch(
    _ image: PlanarImage, _ window: (x: Int, y: Int), _ size: Int, _ symmetry: Symmetry,
    _ channels: Int
  ) throws -> [Float] {
    let cut = image.window(x: window.x, y: window.y, width: size, height: size)
    return symmetry.apply(to: try cut.converted(to: channels)).pixels
  }
}

/// The endless sequence of pairs: every epoch is a permutation of all of them, its own with a seed.
private struct EpochOrder {
  let count: Int
  let seed: UInt64?
  private var epoch = -1
  private var order: [Int] = []

  init(count: Int, seed: UInt64?) { (self.count, self.seed) = (count, seed) }

  mutating func pair(at position: Int) -> Int {
    guard let seed else { return position % count }
    if position / count != epoch { shuffle(position / count, seed) }
    return order[position % count]
  }

  private mutating func shuffle(_ epoch: Int, _ seed: UInt64) {
    self.epoch = epoch
    var generator = SplitMix64(seed: seed ^ (UInt64(epoch) &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    order = Array(0..<count)
    order.shuffle(using: &generator)
  }
}

extension ImageNormalization {
  /// Applies the normalisation to each of `batch` images of `channels` planes.
  fileprivate func apply(to pixels: inout [Float], batch: Int, channels: Int) {
    guard self != .none, batch > 0 else { return }
    let size = pixels.count / batch
    for start in stride(from: 0, to: pixels.count, by: size) {
      var image = Array(pixels[start..<start + size])
      apply(to: &image, channels: channels)
      pixels.replaceSubrange(start..<start + size, with: image)
    }
  }
}
