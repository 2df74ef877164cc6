/// Every operator: one list that drives the agreement tests, the gradient checks, `doctor` and
/// `bench`.
///
/// An operator that is missing here fails a test that names its section of `kernels.cl`; one
/// without a tiny case, or whose definition no case is compared with, fails another.
package enum OpCatalog {
  /// The operators, in the order of `kernels.cl`.
  public static let operators: [any CatalogOp.Type] = [
    Add.self,
    DepthwiseConv.self, DepthwiseConvGradients.self, DepthwiseGate.self,
    DepthwiseGateGradients.self,
    DepthwiseWindow.self, FeedForwardBlock.self,
    GELUGate.self, GELUGateBackward.self,
    PixelShuffle.self, PixelUnshuffle.self, UpsampleConv.self,
    Concat.self, ChannelSlice.self, ChannelSliceBackward.self,
    PixelLoss.self, PixelLossBackward.self,
    SumOfSquares.self, SliceSums.self, Fill.self,
    AdamWStep.self, SGDStep.self, Accumulate.self, EMAUpdate.self,
    Conv1x1.self, NormProduct.self, Conv1x1BackwardWeight.self, ChannelSum.self,
    Conv3x3.self, Conv3x3BackwardWeight.self,
    LayerNorm.self, LayerNormBackwardInput.self, LayerNormBackwardWeight.self,
    ChannelAttention.self, ChannelAttentionBackward.self,
    AttentionGram.self, AttentionMatrix.self, AttentionBlock.self,
    LocalAttention.self, LocalGram.self, LocalMatrix.self, LocalProduct.self,
  ]

  /// Every case of every operator.
  public static var cases: [OpCase] { operators.flatMap { $0.cases } }
}
