import Basics
import Foundation
import Kernels

/// Restores validation images with the current weights and scores them.
struct Validator {
  /// What is restored.
  let set: ValidationSet
  private let channels: (input: Int, output: Int)
  /// Columns and rows of the largest picture.
  private(set) var largestPicture: (width: Int, height: Int)?
  private let samples: Int
  private let scoring: Scoring
  /// Rows and columns of a sample: enough to look at, whatever the photographs' size.
  private static let sampleSide = 512

  /// What a validation found.
  struct Result {
    /// The means, or nil if no pair could be scored.
    var scores: Scores?
    /// How many pairs they are of.
    var pairs = 0
    /// Strips of input, output and target by name.
    var strips: [(name: String, image: Image)] = []
    /// Files that could not be scored, one line each.
    var faults: [String] = []
  }

  /// Scores `folders`; sample strips of the first `samples` pairs.
  /// - Throws: `DataError` for missing partners, unequal sizes and images too small to be scored.
  init(
    _ folders: DataFolders, model: ModelConfiguration, scoring: Scoring = Scoring(),
    samples: Int = 4
  ) throws {
    set = try ValidationSet(folders, scoring: scoring)
    self.scoring = scoring
    (channels, self.samples) = ((model.inputChannels, model.outputChannels), samples)
    for pair in set.pairs {
      let header = try Image.header(of: pair.target)
      let (side, border) = (11 + 2 * scoring.ssim.border, scoring.psnr.border)
      guard min(header.width, header.height) >= max(side, 1 + 2 * border) else {
        throw DataError(
          "\(pair.target): \(header.width)x\(header.height), SSIM needs at least 11x11 pixels "
            + "inside the crop_border")
      }
      if header.width * header.height > largestPicture.map({ $0.width * $0.height }) ?? 0 {
        largestPicture = (header.width, header.height)
      }
    }
  }

  /// Restores and scores every pair, shared out over a team; one that cannot be is named and left
  /// out. Nil if `shouldStop` asked in between to leave.
  /// - Throws: the backend's error.
  func run<B: Backend>(
    _ restorer: Restorer<B>, in team: Team, unless shouldStop: () throws -> Bool
  ) throws -> Result? {
    var faults: [String] = []
    var found = SharedScores(count: set.pairs.count)
    var strips: [Int: Image] = [:]
    for round in stride(from: 0, to: set.pairs.count, by: team.size) {
      if try shouldStop() { return nil }
      let index = round + team.rank
      guard index < set.pairs.count else { continue }
      do {
        let (input, target) = try read(set.pairs[index], index)
        let output = Image(try restorer.restore(input)).quantized
        found[index] = try Scores(output, against: target, by: scoring)
        if index < samples { strips[index] = Self.strip([try shown(input), output, target]) }
      } catch let error where Self.isOfOneImage(error) {
        // These two know shapes, not files.
        let isNameless = error is RestoreError || error is MetricsError
        faults.append(isNameless ? "\(set.pairs[index].input): \(error)" : "\(error)")
      }
    }
    return try gather(found, strips, faults, in: team)
  }

  private func gather(
    _ found: SharedScores, _ strips: [Int: Image], _ faults: [String], in team: Team
  ) throws -> Result {
    let all = try found.gathered(in: team)
    var result = Result(pairs: all.count, faults: try team.lines(faults))
    if !all.isEmpty { result.scores = Scores(meanOf: all) }
    for (index, pair) in set.pairs.prefix(samples).enumerated() {
      if let strip = try Image.shared(strips[index], from: index % team.size, in: team) {
        result.strips.append((Self.name(pair.input), strip))
      }
    }
    return result
  }

  /// Whether the other images may fare better; what the device says holds for all.
  private static func isOfOneImage(_ error: any Error) -> Bool {
    error is ImageError || error is DataError || error is FileError || error is MetricsError
      || error is RestoreError
  }

  /// A pair as the network is given it in training, in its channels, however the files are encoded.
  private func read(
    _ pair: PairedFolder.Pair, _ index: Int
  ) throws -> (input: PlanarImage, target: Image) {
    var made: TrainingPair
    if let degradation = set.degradation {
      let page = try Image(contentsOf: pair.target)
      // The same for a page every time, so that scores compare.
      made = try degradation.degradation(seed: UInt64(index)).pair(
        from: page, window: PageWindow(of: page), channels: channels.output)
    } else {
      made = try pair.images { try Image(contentsOf: $0) }
    }
    var input = try made.input.converted(to: channels.input)
    var generator = SplitMix64(seed: UInt64(index))
    set.noise?.add(to: &input.pixels, using: &generator)
    return (input, Image(try made.target.converted(to: channels.output)))
  }

  /// An input in the channels of the output; of two views the left one.
  private func shown(_ input: PlanarImage) throws -> Image {
    guard input.channels > 3 else { return Image(try input.converted(to: channels.output)) }
    let plane = input.width * input.height
    let left = PlanarImage(
      width: input.width, height: input.height, channels: 3,
      pixels: Array(input.pixels[..<(3 * plane)]))
    return Image(try left.converted(to: channels.output))
  }

  private static func name(_ path: String) -> String {
    path.fileStem
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
