import Foundation
import Kernels

/// Means over a set of image pairs.
public struct Scores: Sendable, Hashable {
  /// Peak signal-to-noise ratio in dB.
  public var psnr = 0.0
  /// Structural similarity.
  public var ssim = 0.0
  /// Mean absolute difference, data in [0, 1].
  public var l1 = 0.0
  /// Mean squared difference.
  public var l2 = 0.0

  /// The scores of one image against its reference.
  /// - Throws: `MetricsError` for images that differ in shape.
  public init(_ image: Image, against reference: Image) throws {
    psnr = try Metrics.psnr(image, reference)
    ssim = try Metrics.ssim(image, reference)
    l1 = try Metrics.l1(image, reference)
    l2 = try Metrics.mse(image, reference)
  }

  /// The means of `scores`.
  public init(meanOf scores: [Scores]) {
    let count = Double(max(1, scores.count))
    psnr = scores.reduce(0) { $0 + $1.psnr } / count
    ssim = scores.reduce(0) { $0 + $1.ssim } / count
    l1 = scores.reduce(0) { $0 + $1.l1 } / count
    l2 = scores.reduce(0) { $0 + $1.l2 } / count
  }
}

extension Image {
  /// The image as a file of 8 bits would hold it: clamped to [0, 1] and rounded.
  public var quantized: Image {
    var copy = self
    for index in copy.pixels.indices {
      let value = copy.pixels[index]
      copy.pixels[index] =
        value.isNaN ? 0 : (min(1, max(0, value)) * 255).rounded(.toNearestOrEven) / 255
    }
    return copy
  }
}

/// Restores validation images with the current weights and scores them.
struct Validator {
  private let pairs: [PairedFolder.Pair]
  private let limit: Int

  /// Scores `folder`; sample strips of the first `samples` pairs.
  init(_ folder: PairedFolder, samples: Int = 4) {
    (pairs, limit) = (folder.pairs, samples)
  }

  func scores<B: Backend>(
    _ weights: ModelWeights, on backend: B, strips folder: String?
  ) throws -> Scores {
    let restorer = try Restorer(weights, on: backend)
    var all: [Scores] = []
    for (index, pair) in pairs.enumerated() {
      let (input, target) = (try Image(contentsOf: pair.input), try Image(contentsOf: pair.target))
      let right = try pair.right.map(Image.init(contentsOf:))
      let restored = try restorer.restore(input, right: right).quantized
      all.append(try Scores(restored, against: target))
      if let folder, index < limit {
        let name = ((pair.input as NSString).lastPathComponent as NSString).deletingPathExtension
        try Self.strip([input, restored, target]).write(to: "\(folder)/\(name).png", format: .png)
      }
    }
    return Scores(meanOf: all)
  }

  /// Images of one size side by side: input, output, target.
  private static func strip(_ images: [Image]) -> Image {
    let (width, height) = (images[0].width, images[0].height)
    let channels = images.map(\.channels).min() ?? 1
    var pixels: [Float] = []
    pixels.reserveCapacity(images.count * width * height * channels)
    for channel in 0..<channels {
      for row in 0..<height {
        for image in images {
          let start = (channel * height + row) * width
          pixels += image.pixels[start..<start + width]
        }
      }
    }
    return Image(width: images.count * width, height: height, channels: channels, pixels: pixels)
  }
}
