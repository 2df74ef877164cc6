import Basics

/// What is done to one image, every number decided: the same degradation of the same pixels gives
/// the same result.
package struct Degradation: Sendable, Hashable {
  /// The kinds that happen, in the unit of `DegradationKind`.
  package let values: [DegradationKind: Double]
  /// The direction of motion, degrees from the right upwards.
  package let motionAngle: Double
  /// The direction of rain, likewise.
  package let rainAngle: Double
  /// Seed of noise and rain.
  package let seed: UInt64

  /// The damaged image, clamped to [0, 1] and rounded to 8 bits as a camera's file holds it. Blur
  /// works on the values as they are, without undoing their gamma.
  /// - Precondition: `image` has 1 or 3 channels.
  /// - Throws: `ImageError` when an image is too large for JPEG.
  package func apply(to image: PlanarImage) throws -> PlanarImage {
    var result = image
    var generator = SplitMix64(seed: seed)
    for kind in DegradationKind.allCases {
      if let value = values[kind] { try apply(kind, value, to: &result, &generator) }
    }
    result.pixels = result.pixels.map { (min(max($0, 0), 1) * 255).rounded() / 255 }
    return result
  }

  private func apply(
    _ kind: DegradationKind, _ value: Double, to image: inout PlanarImage,
    _ generator: inout SplitMix64
  ) throws {
    switch kind {
    case .rain:
      RainStreaks(density: value, angle: rainAngle).apply(to: &image, using: &generator)
    case .motion, .defocus, .gaussianBlur:
      for kernel in kernels(kind, value) { image = image.blurred(by: kernel) }
    case .downscale: image = image.downscaled(by: value)
    case .shot: image.addShotNoise(deviation: value, using: &generator)
    case .noise: GaussianNoise.add(deviation: value, to: &image.pixels, using: &generator)
    case .jpeg: image = try image.compressed(quality: Int(value))
    }
  }

  /// The kernels of a blur, one after the other.
  private func kernels(_ kind: DegradationKind, _ value: Double) -> [BlurKernel] {
    switch kind {
    case .motion: [.motion(length: value, angle: motionAngle)]
    case .defocus: [.disk(radius: value)]
    case .gaussianBlur:
      [.gaussian(sigma: value, vertical: false), .gaussian(sigma: value, vertical: true)]
    default: []
    }
  }

  /// How many pixels beyond its edge a window's content depends on.
  var reach: Int {
    let blur = values.flatMap { kernels($0, $1) }.reduce(0) { $0 + $1.reach }
    // The cubic filter spans two coarse pixels on the way down and two on the way up.
    let scaling = values[.downscale].map { Int((4 * $0).rounded(.up)) } ?? 0
    // The pixels of a block depend on each other, and colour is interpolated between blocks of 16.
    return blur + scaling + (values[.jpeg] == nil ? 0 : 16)
  }
}

extension PlanarImage {
  /// Photons that arrive by chance: y = x + d/255 √x n, n standard normal. That is Poisson's
  /// distribution for the counts of a bright picture: a white pixel collects (255/d)² photons.
  fileprivate mutating func addShotNoise(
    deviation: Double, using generator: inout SplitMix64
  ) {
    var noise = [Float](repeating: 0, count: pixels.count)
    GaussianNoise.add(deviation: deviation, to: &noise, using: &generator)
    for index in pixels.indices {
      pixels[index] += noise[index] * max(0, pixels[index]).squareRoot()
    }
  }

  /// The image after a JPEG file in memory.
  fileprivate func compressed(quality: Int) throws -> PlanarImage {
    let image = Image(width: width, height: height, channels: channels, pixels: pixels)
    let file = try image.encode(format: .jpeg, quality: quality)
    return PlanarImage(try file.withUnsafeBytes { try Image(bytes: $0) })
  }
}
