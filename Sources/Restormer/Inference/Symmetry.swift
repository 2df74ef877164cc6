/// The eight symmetries of a rectangle, for self-ensembles: an optional transposition, then flips.
public struct Symmetry: Hashable, Sendable, CaseIterable {
  /// Rows and columns are exchanged first.
  public let transposed: Bool
  /// Then columns run backwards.
  public let flippedX: Bool
  /// Then rows run backwards.
  public let flippedY: Bool

  public static let allCases = [false, true].flatMap { transposed in
    [false, true].flatMap { x in
      [false, true].map { Symmetry(transposed: transposed, flippedX: x, flippedY: $0) }
    }
  }

  /// The image as it is.
  public static let identity = Symmetry(transposed: false, flippedX: false, flippedY: false)

  /// The name in the metadata of weights.
  public var name: String {
    switch (transposed, flippedX, flippedY) {
    case (false, false, false): "identity"
    case (false, true, false): "flip-x"
    case (false, false, true): "flip-y"
    case (false, true, true): "rotate-180"
    case (true, false, false): "transpose"
    case (true, true, false): "rotate-90"
    case (true, false, true): "rotate-270"
    case (true, true, true): "anti-transpose"
    }
  }

  /// `image` seen in this orientation.
  package func apply(to image: PlanarImage) -> PlanarImage {
    remap(image, inverse: false)
  }

  /// Brings an image that was turned by `apply` back.
  package func undo(on image: PlanarImage) -> PlanarImage {
    remap(image, inverse: true)
  }

  private func remap(_ image: PlanarImage, inverse: Bool) -> PlanarImage {
    guard self != .identity else { return image }
    let width = transposed ? image.height : image.width
    let height = transposed ? image.width : image.height
    // The flips are counted on the turned image: on the way back that is the source.
    let (flipWidth, flipHeight) = inverse ? (image.width, image.height) : (width, height)
    var pixels = [Float](repeating: 0, count: image.pixels.count)
    for channel in 0..<image.channels {
      for y in 0..<height {
        for x in 0..<width {
          let (sx, sy) =
            inverse
            ? turned(x, y, flipWidth, flipHeight) : source(x, y, flipWidth, flipHeight)
          pixels[(channel * height + y) * width + x] =
            image.pixels[(channel * image.height + sy) * image.width + sx]
        }
      }
    }
    return PlanarImage(width: width, height: height, channels: image.channels, pixels: pixels)
  }

  /// Where the pixel shown at `(x, y)` of the turned image comes from.
  private func source(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let fx = flippedX ? width - 1 - x : x
    let fy = flippedY ? height - 1 - y : y
    return transposed ? (fy, fx) : (fx, fy)
  }

  /// Where the pixel `(x, y)` of the original is shown in the turned image.
  private func turned(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let (tx, ty) = transposed ? (y, x) : (x, y)
    return (flippedX ? width - 1 - tx : tx, flippedY ? height - 1 - ty : ty)
  }
}
