import Kernels

/// Whether attention takes its statistics from windows of an image rather than from all of it (TLC,
/// Chu et al., ECCV 2022): a network that was trained on small patches never saw the statistics of
/// a large image.
public enum LocalStatistics: Sendable, Equatable {
  /// From windows where the weights say on which patches they were trained, and the image is more
  /// than twice as large.
  case automatic
  /// From the whole image.
  case off
  /// From windows of so many pixels of the image.
  case pixels(Int)

  /// The least window: one pixel where the network is coarsest.
  public static let smallest = RestormerModel.sizeMultiple

  /// The choice for weights that were trained on patches of `patch` pixels, if that is known.
  func choice(trainedOn patch: Int?) -> Choice {
    switch self {
    case .automatic: patch.map { .windows(3 * $0 / 2, above: 2 * $0) } ?? .wholeImage
    case .off: .wholeImage
    case .pixels(let side): .windows(side, above: 0)
    }
  }

  /// Where statistics come from.
  public enum Choice: Sendable, Equatable {
    /// From the whole image.
    case wholeImage
    /// From windows of so many pixels, in images of which a side is longer than `above`.
    case windows(Int, above: Int)

    func window(in image: Shape) -> StatisticsWindow? {
      guard case .windows(let side, let limit) = self, max(image.h, image.w) > limit else {
        return nil
      }
      return StatisticsWindow(side: side, image: image)
    }
  }
}

/// Windows of one image from which attention takes its statistics.
package struct StatisticsWindow: Sendable {
  private let side: Int
  private let image: Shape

  /// Windows of `side` pixels of an image.
  package init(side: Int, image: Shape) { (self.side, self.image) = (side, image) }

  /// The window in a map of the network, as much smaller as the map is; nil where it holds the
  /// whole map.
  func window(in map: Shape) -> (height: Int, width: Int)? {
    let height = max(1, map.h * side / image.h)
    let width = max(1, map.w * side / image.w)
    return height < map.h || width < map.w ? (height, width) : nil
  }
}

extension ModelWeights {
  static let patchKey = "restormer.patch"

  /// Pixels on each side of the largest patches that the weights were trained on, if their metadata
  /// say it.
  public var trainingPatch: Int? {
    metadata[Self.patchKey].flatMap { Int($0) }.flatMap { $0 > 0 && $0 < 1 << 20 ? $0 : nil }
  }
}
