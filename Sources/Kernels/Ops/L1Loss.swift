/// The mean absolute difference: `mean |prediction − target|`.
public struct L1Loss: PixelLoss {
  public static let name = "L1Loss"
  public static var cases: [OpCase] { lossShapes.map { OpCase(L1Loss(), [$0, $0]) } }

  public var kind: PixelLossKind { .l1 }

  /// The loss; it has no attributes.
  public init() {}
}

extension Graph {
  /// `mean |prediction − target|` over all elements of two tensors `[n, c, h, w]`: one number.
  public func l1Loss(_ prediction: Tensor, _ target: Tensor) -> Tensor {
    apply(L1Loss(), [prediction, target])[0]
  }
}
