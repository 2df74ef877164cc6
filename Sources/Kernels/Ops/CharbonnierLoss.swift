/// The Charbonnier loss, a smooth absolute difference: `mean √((prediction − target)² + ε²)`.
public struct CharbonnierLoss: PixelLoss {
  public static let name = "CharbonnierLoss"
  public static var cases: [OpCase] {
    [Float(0.001), 0.5].flatMap { epsilon in
      lossShapes.map { OpCase(CharbonnierLoss(epsilon: epsilon), [$0, $0]) }
    }
  }

  /// The half-width of the rounded tip.
  public let epsilon: Float

  public var kind: PixelLossKind { .charbonnier(epsilon: epsilon) }

  /// The loss with the given ε; the authors of Restormer take 0.001.
  public init(epsilon: Float = 0.001) {
    precondition(epsilon > 0, "CharbonnierLoss: epsilon \(epsilon) is not positive")
    self.epsilon = epsilon
  }
}

extension Graph {
  /// `mean √((prediction − target)² + ε²)` over all elements of two tensors `[n, c, h, w]`: one number.
  public func charbonnierLoss(
    _ prediction: Tensor, _ target: Tensor, epsilon: Float = 0.001
  ) -> Tensor {
    apply(CharbonnierLoss(epsilon: epsilon), [prediction, target])[0]
  }
}
