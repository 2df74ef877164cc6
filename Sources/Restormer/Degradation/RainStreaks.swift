import Basics
import Foundation

/// Bright streaks of falling drops, all in about one direction.
struct RainStreaks {
  /// Streaks per 10,000 pixels.
  let density: Double
  /// Degrees from the right upwards; 90 is straight down.
  let angle: Double

  /// What a drop shows: a blurred image of the sky, lighter than ink and darker than paper.
  private static let light: Float = 0.8

  /// Lays streaks of 8 to 24 pixels over `image`: y = x + m (0.8 - x), m being their opacity up to
  /// 0.7.
  func apply(to image: inout PlanarImage, using generator: inout SplitMix64) {
    let (width, height) = (image.width, image.height)
    let plane = width * height
    var mask = [Float](repeating: 0, count: plane)
    for _ in 0..<Int((density * Double(plane) / 10_000).rounded()) {
      draw(width, height, into: &mask, &generator)
    }
    for index in image.pixels.indices {
      let opacity = min(0.7, mask[index % plane])
      image.pixels[index] += opacity * (Self.light - image.pixels[index])
    }
  }

  private func draw(
    _ width: Int, _ height: Int, into mask: inout [Float], _ generator: inout SplitMix64
  ) {
    func unit() -> Double { Double(generator.nextUnit()) }
    let (x, y) = (unit() * Double(width), unit() * Double(height))
    let length = 8 + 16 * unit()
    let opacity = 0.2 + 0.4 * unit()
    let direction = (angle + 6 * (unit() - 0.5)) * .pi / 180
    let points = Int(2 * length)
    for point in 0..<points {
      let place = length * (Double(point) / Double(points) - 0.5)
      share(x + place * cos(direction), y - place * sin(direction)) { column, row, part in
        guard (0..<width).contains(column), (0..<height).contains(row) else { return }
        // Two points a pixel: each gives half.
        mask[row * width + column] += Float(0.5 * opacity * part)
      }
    }
  }
}
