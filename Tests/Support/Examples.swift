import Foundation
import Restormer

/// The pages that come with the repository.
public enum Examples {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Examples")

  /// The path of a file or folder under `Examples`.
  public static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// A page and the same page after the degradation that `recipe` draws from `seed`, both in RGB.
  public static func pair(
    _ page: String, _ recipe: String, seed: UInt64
  ) throws -> (input: Image, target: Image) {
    let page = try Image(contentsOf: path(page))
    let pair = try DegradationRecipe(recipe).degradation(seed: seed).pair(
      from: page, window: PageWindow(of: page), channels: 3)
    return (image(pair.input), image(pair.target))
  }

  private static func image(_ planar: PlanarImage) -> Image {
    Image(
      width: planar.width, height: planar.height, channels: planar.channels, pixels: planar.pixels)
  }
}
