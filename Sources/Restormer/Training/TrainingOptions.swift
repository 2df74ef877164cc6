/// Everything that determines a training run.
public struct TrainingOptions: Sendable, Hashable {
  /// A stretch of steps with one patch and batch size.
  public struct Stage: Sendable, Hashable {
    /// Steps.
    public var steps: Int
    /// Rows and columns of a patch.
    public var patch: Int
    /// Patches of a batch.
    public var batch: Int

    /// `steps` steps with `batch` patches of `patch` pixels.
    public init(steps: Int, patch: Int, batch: Int) {
      (self.steps, self.patch, self.batch) = (steps, patch, batch)
    }
  }

  /// When to compute blocks again in the backward pass instead of keeping them.
  public enum Recompute: String, Sendable, CaseIterable {
    /// Only if the step does not fit the device otherwise.
    case auto
    /// Always.
    case on
    /// Never.
    case off
  }

  /// Name of the run: its folder under `experiments/`.
  public var name = "restormer"
  /// The network.
  public var model = ModelConfiguration.compact
  /// Weights to start from instead of random ones.
  public var pretrained: String?
  /// Folder with `input` and `target`, or the degraded images if `targets` is given.
  public var data = ""
  /// Folder of the clean images.
  public var targets: String?
  /// Folder of the right views for a dual-pixel model; `data` then holds the left ones.
  public var rightViews: String?
  /// Deviation of noise (0 to 255) added to the clean images of `targets`, which are then all there is.
  public var noise: ClosedRange<Double>?
  /// Validation data, as `data`.
  public var validation: String?
  /// Folder of the clean validation images.
  public var validationTargets: String?
  /// Folder of the right validation views.
  public var validationRightViews: String?
  /// Patch and batch sizes; the run ends with the last stage.
  public var stages = [Stage(steps: 10_000, patch: 128, batch: 4)]
  /// Batches whose gradients are summed for one step.
  public var accumulate = 1
  /// What is minimised.
  public var loss = LossKind.l1
  /// The rule.
  public var optimizer = OptimizerOptions()
  /// The rate.
  public var rate = LearningRate(base: 3e-4)
  /// The largest norm of the gradient, or nil.
  public var clip: Double?
  /// Decay of a moving average of the weights, or nil for none.
  public var averageDecay: Double?
  /// Random flips and rotations.
  public var augment = true
  /// Both parameters of mixup's Beta distribution, or nil for no mixup.
  public var mixup: Double?
  /// How images are shifted and scaled for the network.
  public var normalization = ImageNormalization.none
  /// Seed of weights and batches.
  public var seed: UInt64 = 100
  /// When to trade time for memory.
  public var recompute = Recompute.auto
  /// Steps between validations; 0 for once an epoch.
  public var validationInterval = 0
  /// Steps between checkpoints.
  public var checkpointInterval = 500
  /// Newest checkpoints that are kept.
  public var keptCheckpoints = 2

  /// The defaults.
  public init() {}

  /// Steps of all stages.
  public var totalSteps: Int { stages.reduce(0) { $0 + $1.steps } }

  /// The stage of step `step`, counted from 0.
  public func stage(at step: Int) -> Stage {
    var start = 0
    for stage in stages {
      start += stage.steps
      if step < start { return stage }
    }
    return stages[stages.count - 1]
  }

  /// Patches drawn before step `step`.
  public func position(at step: Int) -> Int {
    var (start, drawn) = (0, 0)
    for stage in stages {
      let steps = min(stage.steps, max(0, step - start))
      drawn += steps * stage.batch * accumulate
      start += stage.steps
    }
    return drawn
  }

  /// What is impossible, in one line, or nil.
  public var fault: String? {
    if let fault = model.fault { return fault }
    if stages.isEmpty { return "no stage of training" }
    for stage in stages {
      if stage.steps < 1 { return "a stage of \(stage.steps) steps, expected at least 1" }
      if stage.batch < 1 { return "batch \(stage.batch), expected at least 1" }
      if stage.patch < 8 || stage.patch % RestormerModel.sizeMultiple != 0 {
        return "patch \(stage.patch), expected a multiple of \(RestormerModel.sizeMultiple)"
      }
    }
    if noise != nil && targets == nil { return "noise needs a folder of clean images" }
    if model.inputChannels == 6 && rightViews == nil {
      return "a dual-pixel model needs a folder of right views (dataroot_lqR)"
    }
    if accumulate < 1 { return "accumulate \(accumulate), expected at least 1" }
    if !(rate.base > 0) || !rate.base.isFinite { return "rate \(rate.base), expected above 0" }
    if let clip, !(clip > 0) { return "clip \(clip), expected above 0" }
    if let averageDecay, !(0..<1).contains(averageDecay) {
      return "ema \(averageDecay), expected at least 0 and below 1"
    }
    if let mixup, !(mixup > 0) { return "mixup \(mixup), expected above 0" }
    return nil
  }

  /// Every field that shapes the result, by the name users know: compared when a run goes on.
  public var fields: [(name: String, value: String)] {
    [
      ("model", model.summary), ("data", data), ("targets", targets ?? "-"),
      ("noise", noise.map { "\($0)" } ?? "-"),
      ("stages", stages.map { "\($0.steps)x(\($0.batch)x\($0.patch))" }.joined(separator: " ")),
      ("accumulate", "\(accumulate)"), ("loss", loss.rawValue),
      ("optimizer", "\(optimizer)".replacing("OptimizerOptions", with: "")),
      ("rate", "\(rate.base)"), ("schedule", "\(rate.schedule)"), ("warm-up", "\(rate.warmUp)"),
      ("clip", clip.map { "\($0)" } ?? "-"), ("ema", averageDecay.map { "\($0)" } ?? "-"),
      ("augment", "\(augment)"), ("mixup", mixup.map { "\($0)" } ?? "-"),
      ("mean", "\(normalization.mean)"), ("std", "\(normalization.std)"), ("seed", "\(seed)"),
    ]
  }
}
