/// How images are compared in validation.
public struct Scoring: Sendable, Hashable {
  /// What one metric looks at.
  public struct Metric: Sendable, Hashable {
    /// Compare the luma alone, as is done for rain.
    public var luma = false
    /// Pixels that are left out on every side.
    public var border = 0
  }

  /// PSNR.
  public var psnr = Metric()
  /// SSIM.
  public var ssim = Metric()

  /// All channels of the whole image.
  public init() {}
}
