import Kernels

/// A batch of aligned patches, `[n, c, h, w]` each, dense and row-major.
package struct Batch: Sendable {
  /// Shape of the degraded patches.
  package let inputShape: Shape
  /// Degraded patches.
  package let input: [Float]
  /// Clean patches, with the model's output channels.
  package let target: [Float]

  /// A batch; counts must agree with the shape and the model.
  package init(inputShape: Shape, input: [Float], target: [Float]) {
    precondition(input.count == inputShape.count, "Batch: \(input.count) for \(inputShape)")
    (self.inputShape, self.input, self.target) = (inputShape, input, target)
  }
}

/// The means over a batch that every run reports, whichever loss it minimises.
public struct BatchLosses: Sendable, Hashable {
  /// Mean absolute difference.
  public var l1: Double
  /// Mean squared difference.
  public var l2: Double
  /// The loss that is minimised.
  public var loss: Double
}
