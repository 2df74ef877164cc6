/// The kinds of damage, in the order in which they are done: first in front of the lens, then in
/// it, then on the sensor, then in the file.
public enum DegradationKind: String, CaseIterable, Sendable {
  /// Streaks of rain; the value is their number per 10,000 pixels.
  case rain
  /// Motion during the exposure; the value is the length of the straight path, in pixels.
  case motion
  /// A lens out of focus; the value is the radius of the disk that a point becomes, in pixels.
  case defocus
  /// Gaussian blur; the value is its standard deviation, in pixels.
  case gaussianBlur = "gaussian-blur"
  /// Fewer pixels, scaled back to the old size; the value is the factor of each side.
  case downscale
  /// Shot noise; the value is its standard deviation at white, in levels of 255.
  case shot
  /// White Gaussian noise; the value is its standard deviation, in levels of 255.
  case noise
  /// JPEG compression; the value is the quality, 1 to 100.
  case jpeg

  /// The values that can be computed.
  public var limits: ClosedRange<Double> {
    switch self {
    case .rain: 0...1000
    case .motion: 0...200
    case .defocus, .gaussianBlur: 0...50
    case .downscale: 1...16
    case .shot, .noise: 0...255
    case .jpeg: 1...100
    }
  }
}
