/// The mean squared difference: `mean (prediction − target)²`.
public struct MSELoss: PixelLoss {
  public static let name = "MSELoss"
  public static var cases: [OpCase] { lossShapes.map { OpCase(MSELoss(), [$0, $0]) } }

  public var kind: PixelLossKind { .mse }

  /// The loss; it has no attributes.
  public init() {}
}

extension Graph {
  /// `mean (prediction − target)²` over all elements of two tensors `[n, c, h, w]`: one number.
  public func mseLoss(_ prediction: Tensor, _ target: Tensor) -> Tensor {
    apply(MSELoss(), [prediction, target])[0]
  }
}
