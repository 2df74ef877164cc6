/// How images are restored.
public struct RestoreOptions: Sendable {
  /// How the image is cut.
  public var tile = TileSize.automatic
  /// Pixels that neighbouring tiles share at least; rounded up to a multiple of 8.
  public var overlap = 32
  /// How tiles are merged.
  public var blend = TileBlend.smooth
  /// Average over the flips and rotations that the network was trained with.
  public var ensemble = false
  /// How precisely is computed, and how activations are stored.
  public var precision = PrecisionChoice.automatic
  /// Where attention takes its statistics from.
  public var localStatistics = LocalStatistics.automatic
  /// Change pictures that look sharp already or are no pages, too, where the weights would leave
  /// them alone.
  public var evenSharp = false

  /// Whole images where they fit, smooth tiles elsewhere.
  public init() {}

  /// - Throws: `RestoreError` for a tile that is no positive multiple of 8, or an overlap that
  ///   leaves nothing of it.
  func check() throws {
    if case .pixels(let side) = tile, side < 16 || side % RestormerModel.sizeMultiple != 0 {
      throw RestoreError("tile size \(side): expected a multiple of 8, at least 16, 'auto' or 0")
    }
    if case .pixels(let side) = tile, overlap >= side {
      throw RestoreError("overlap \(overlap): expected less than the tile's \(side) pixels")
    }
    if case .pixels(let side) = localStatistics, side < LocalStatistics.smallest {
      throw RestoreError(
        "local statistics of \(side) pixels: expected at least \(LocalStatistics.smallest)")
    }
    guard overlap >= 0 else { throw RestoreError("overlap \(overlap): expected 0 or more") }
  }
}

/// Restoring is not possible as asked.
public struct RestoreError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}
