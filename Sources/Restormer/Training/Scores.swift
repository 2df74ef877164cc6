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

  /// The scores of one image against its reference, without `border` pixels on every side.
  /// - Throws: `MetricsError` for images that differ in shape.
  public init(_ image: Image, against reference: Image, border: Int = 0) throws {
    psnr = try Metrics.psnr(image, reference, border: border)
    ssim = try Metrics.ssim(image, reference, border: border)
    l1 = try Metrics.l1(image, reference, border: border)
    l2 = try Metrics.mse(image, reference, border: border)
  }

  /// The scores of one image against its reference, PSNR and SSIM as `scoring` says.
  /// - Throws: `MetricsError` for images that differ in shape or a border that leaves nothing.
  init(_ image: Image, against reference: Image, by scoring: Scoring) throws {
    func pair(_ metric: Scoring.Metric) -> (Image, Image) {
      metric.luma
        ? (Metrics.yChannel(image), Metrics.yChannel(reference)) : (image, reference)
    }
    let (seen, similar) = (pair(scoring.psnr), pair(scoring.ssim))
    psnr = try Metrics.psnr(seen.0, seen.1, border: scoring.psnr.border)
    ssim = try Metrics.ssim(similar.0, similar.1, border: scoring.ssim.border)
    l1 = try Metrics.l1(image, reference)
    l2 = try Metrics.mse(image, reference)
  }

  /// Scores that were computed before.
  package init(psnr: Double, ssim: Double, l1: Double, l2: Double) {
    (self.psnr, self.ssim, self.l1, self.l2) = (psnr, ssim, l1, l2)
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
