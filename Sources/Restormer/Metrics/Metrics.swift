import Foundation

/// How far a restored image is from its reference.
///
/// Pixels are in [0, 1] (data range 1), transparent images as seen on white; sums are in double
/// precision. Every function takes two images of equal width, height and channels; `border` pixels
/// on each side are left out first.
public enum Metrics {
  /// The mean of |a - b| over all channels and pixels.
  /// - Throws: `MetricsError` if the images differ in shape or the border leaves nothing.
  public static func l1(_ a: Image, _ b: Image, border: Int = 0) throws(MetricsError) -> Double {
    try mean(a, b, border) { abs($0 - $1) }
  }

  /// The mean of (a - b)^2 over all channels and pixels.
  /// - Throws: `MetricsError` if the images differ in shape or the border leaves nothing.
  public static func mse(_ a: Image, _ b: Image, border: Int = 0) throws(MetricsError) -> Double {
    try mean(a, b, border) { ($0 - $1) * ($0 - $1) }
  }

  /// The peak signal-to-noise ratio in dB, -10 log10(mse); infinite for equal images.
  /// - Throws: `MetricsError` if the images differ in shape or the border leaves nothing.
  public static func psnr(_ a: Image, _ b: Image, border: Int = 0) throws(MetricsError) -> Double {
    let mse = try mse(a, b, border: border)
    return mse == 0 ? .infinity : -10 * log10(mse)
  }

  private static func mean(
    _ a: Image, _ b: Image, _ border: Int, _ distance: (Double, Double) -> Double
  ) throws(MetricsError) -> Double {
    let (a, b) = (a.overWhite, b.overWhite)
    let area = try Area(a, b, border: border)
    var total = 0.0
    for channel in 0..<a.channels {
      for y in area.rows {
        let row = (channel * a.height + y) * a.width
        var sum = 0.0
        for i in row + area.columns.lowerBound..<row + area.columns.upperBound {
          sum += distance(Double(a.pixels[i]), Double(b.pixels[i]))
        }
        total += sum
      }
    }
    return total / Double(a.channels * area.rows.count * area.columns.count)
  }
}

/// A pair of images that cannot be compared, and why, on one line.
public struct MetricsError: Error, CustomStringConvertible, Equatable, Sendable {
  /// The reason, with the sizes at fault.
  public let description: String
}

/// The rows and columns that two images of one shape are compared over.
struct Area {
  let rows: Range<Int>
  let columns: Range<Int>

  init(_ a: Image, _ b: Image, border: Int) throws(MetricsError) {
    precondition(border >= 0, "Metrics: border \(border)")
    guard a.width == b.width, a.height == b.height, a.channels == b.channels else {
      throw MetricsError(description: "cannot compare \(a.shape) with \(b.shape)")
    }
    guard a.width > 2 * border, a.height > 2 * border else {
      throw MetricsError(description: "a border of \(border) leaves nothing of \(a.shape)")
    }
    rows = border..<a.height - border
    columns = border..<a.width - border
  }
}

extension Image {
  /// For messages: "640 x 480 RGB".
  var shape: String { "\(width) x \(height) \(channels == 1 ? "gray" : "RGB")" }
}
