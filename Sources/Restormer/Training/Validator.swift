import Foundation
import Kernels

/// Restores validation images with the current weights and scores them.
struct Validator {
  private let pairs: [PairedFolder.Pair]
  private let noise: GaussianNoise?
  private let degradation: DegradationRecipe?
  private let channels: Int
  private let largest: (width: Int, height: Int)
  private let samples: Int
  /// Rows and columns of a sample: enough to look at, whatever the photographs' size.
  private static let sampleSide = 512

  /// What a validation found.
  struct Result {
    /// The means, or nil if no pair could be scored.
    var scores: Scores?
    /// Strips of input, output and target by name.
    var strips: [(name: String, image: Image)] = []
    /// Files that could not be scored, one line each.
    var faults: [String] = []
  }

  /// Scores `folders`; sample strips of the first `samples` pairs.
  /// - Throws: `DataError` for missing partners, unequal sizes and images too small to be scored.
  init(_ folders: DataFolders, model: ModelConfiguration, samples: Int = 4) throws {
    (pairs, noise) = (try folders.pairs().pairs, folders.noise)
    var degradation = folders.degradation
    // A page that stays sharp would be restored perfectly by doing nothing, and outweigh all others.
    degradation?.sharp = 0
    self.degradation = degradation
    (channels, self.samples) = (model.outputChannels, samples)
    var largest = (width: 0, height: 0)
    for pair in pairs {
      let header = try Image.header(of: pair.target)
      guard min(header.width, header.height) >= 11 else {
        throw DataError(
          "\(pair.target): \(header.width)x\(header.height), SSIM needs at least 11x11 pixels")
      }
      if header.width * header.height > largest.width * largest.height {
        largest = (header.width, header.height)
      }
    }
    self.largest = largest
  }

  /// Restores and scores every pair; one that cannot be read is named and left out. Nil if `shouldStop` asked between
  /// two pairs to leave.
  /// - Throws: the backend's error.
  func run<B: Backend>(_ restorer: Restorer<B>, unless shouldStop: () -> Bool) throws -> Result? {
    var result = Result()
    var all: [Scores] = []
    for (index, pair) in pairs.enumerated() {
      if shouldStop() { return nil }
      guard let (input, right, target) = read(pair, index, &result.faults) else { continue }
      let restored = try restorer.restore(input, right: right).quantized
      do {
        let output = try converted(restored, pair.input)
        all.append(try Scores(output, against: target))
        if index < samples {
          let strip = Self.strip([try converted(input, pair.input), output, target])
          result.strips.append((Self.name(pair.input), strip))
        }
      } catch {
        result.faults.append("\(error)")
      }
    }
    if !all.isEmpty { result.scores = Scores(meanOf: all) }
    return result
  }

  private func read(
    _ pair: PairedFolder.Pair, _ index: Int, _ faults: inout [String]
  ) -> (input: Image, right: Image?, target: Image)? {
    do {
      if let degradation {
        let page = try Image(contentsOf: pair.target)
        // The same for a page every time, so that scores compare.
        let made = try degradation.degradation(seed: UInt64(index)).pair(
          from: page, window: PageWindow(of: page), channels: channels)
        return (Image(made.input), nil, Image(made.target))
      }
      var input = try Image(contentsOf: pair.input)
      if let noise {
        // A gray model is given gray noise; the same noise every time, so that scores compare.
        input = try converted(input, pair.input)
        var generator = SplitMix64(seed: UInt64(index))
        noise.add(to: &input.pixels, using: &generator)
      }
      return (
        input, try pair.right.map(Image.init(contentsOf:)),
        try converted(Image(contentsOf: pair.target), pair.target)
      )
    } catch {
      faults.append("\(error)")
      return nil
    }
  }

  /// The image in the channels that the network gives.
  private func converted(_ image: Image, _ path: String) throws -> Image {
    Image(try PlanarImage(image).converted(to: channels))
  }

  private static func name(_ path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  /// The middle of images of one shape, side by side.
  private static func strip(_ images: [Image]) -> Image {
    let first = images[0]
    let (width, height) = (min(first.width, sampleSide), min(first.height, sampleSide))
    let (left, top) = ((first.width - width) / 2, (first.height - height) / 2)
    var pixels: [Float] = []
    pixels.reserveCapacity(images.count * width * height * first.channels)
    for channel in 0..<first.channels {
      for row in top..<top + height {
        for image in images {
          let start = (channel * image.height + row) * image.width + left
          pixels += image.pixels[start..<start + width]
        }
      }
    }
    return Image(
      width: images.count * width, height: height, channels: first.channels, pixels: pixels)
  }
}

extension Image {
  /// An opaque image of 1 or 3 channels.
  init(_ planar: PlanarImage) {
    self.init(
      width: planar.width, height: planar.height, channels: planar.channels, pixels: planar.pixels)
  }
}
