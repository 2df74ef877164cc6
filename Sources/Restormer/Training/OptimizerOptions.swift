import Kernels

/// What is minimised, a mean over all elements of prediction and target.
public enum LossKind: String, Sendable, CaseIterable {
  /// `|d|`.
  case l1
  /// `d^2`.
  case mse
  /// `sqrt(d^2 + 1e-6)`.
  case charbonnier

  /// The loss of the graph.
  var kind: PixelLoss.Kind {
    switch self {
    case .l1: .l1
    case .mse: .mse
    case .charbonnier: .charbonnier()
    }
  }
}

/// How parameters follow their gradients.
public struct OptimizerOptions: Sendable, Hashable {
  /// The rule.
  public enum Kind: String, Sendable, CaseIterable {
    /// Adam with decoupled weight decay.
    case adamw
    /// Gradient descent with momentum.
    case sgd
  }

  /// The rule.
  public var kind: Kind
  /// AdamW's decay of the first moment.
  public var beta1 = 0.9
  /// AdamW's decay of the second moment.
  public var beta2 = 0.999
  /// AdamW's addend of the denominator.
  public var epsilon = 1e-8
  /// The weight decay.
  public var weightDecay: Double
  /// SGD's momentum.
  public var momentum = 0.9

  /// AdamW as Restormer's authors use it, or PyTorch's SGD, which has no weight decay by default.
  public init(_ kind: Kind = .adamw) {
    self.kind = kind
    weightDecay = kind == .adamw ? 1e-4 : 0
  }
}
