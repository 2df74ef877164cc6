import Kernels

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
  /// Which of several sets of weights in `pretrained` to take, such as `params_ema`; nil for the
  /// trained ones.
  public var pretrainedKey: String?
  /// The pairs that are trained on.
  public var data = DataFolders()
  /// The pairs that are restored and scored now and then, or nil for none.
  public var validation: DataFolders?
  /// Patch and batch sizes; the run ends with the last stage.
  public var stages = [Stage(steps: 10_000, patch: 128, batch: 4)]
  /// Batches whose gradients are summed for one step.
  public var accumulate = 1
  /// What is minimised.
  public var loss = LossKind.l1
  /// Factor of the loss, which scales the gradient.
  public var lossWeight = 1.0
  /// The rule.
  public var optimizer = OptimizerOptions()
  /// The rate.
  public var rate = LearningRate(base: 3e-4)
  /// The largest norm of the gradient, or nil.
  public var clip: Double?
  /// Decay of a moving average of the weights, or nil for none.
  public var averageDecay: Double?
  /// Whether each rank keeps the optimizer's moments of a part of the parameters only.
  public var shardOptimizer = false
  /// Random flips and rotations.
  public var augment = true
  /// Go through the pairs in a new order in every epoch.
  public var shuffle = true
  /// How patches of a batch are mixed, or nil for not.
  public var mixup: Mixup?
  /// How images are shifted and scaled for the network.
  public var normalization = ImageNormalization.none
  /// Seed of weights and batches.
  public var seed: UInt64 = 100
  /// When to trade time for memory.
  public var recompute = Recompute.auto
  /// How precisely is computed: half stores activations and their gradients so, with a loss scale;
  /// nothing is left open.
  public var precision = PrecisionChoice.float
  /// Steps between validations; 0 for once an epoch.
  public var validationInterval = 0
  /// Steps between checkpoints.
  public var checkpointInterval = 500
  /// Minutes after which a checkpoint is due in any case: on a slow device the steps alone would
  /// risk hours.
  public var checkpointMinutes = 10.0
  /// Newest checkpoints that are kept.
  public var keptCheckpoints = 2
  /// How validation compares images.
  public var scoring = Scoring()
  /// Keys of the options file that ask for something and have no effect here, a line each.
  public internal(set) var ignored: [String] = []

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
    if let fault = Self.fault(ofName: name) { return fault }
    if stages.isEmpty { return "no stage of training" }
    if let fault = TrainingOption.all.lazy.compactMap({ $0.fault(self) }).first { return fault }
    return model.fault ?? stages.lazy.compactMap(fault).first ?? rate.schedule.fault ?? dataFault
  }

  private func fault(of stage: Stage) -> String? {
    let unit = RestormerModel.sizeMultiple
    if stage.patch % unit != 0 { return "patch \(stage.patch), expected a multiple of \(unit)" }
    // No device has a terabyte for one feature map, and larger numbers would not even add up.
    let pixels = stage.batch * stage.patch * stage.patch
    let channels = max(model.dim, model.inputChannels)
    guard pixels > 1 << 38 / channels else { return nil }
    return
      "patch \(stage.patch), batch \(stage.batch), dim \(model.dim): no device has memory for them"
  }

  /// Why a run, or a sweep of them, cannot have this name, or nil.
  public static func fault(ofName name: String) -> String? {
    let isFolder = !name.hasPrefix(".") && !name.unicodeScalars.contains { $0 == "/" || $0 < " " }
    return isFolder && (1...200).contains(name.utf8.count)
      ? nil : "name '\(name.prefix(60))', expected one for a folder"
  }

  private var dataFault: String? {
    let folders = [data] + [validation].compactMap { $0 }
    if model.dualPixel, let missing = folders.first(where: { $0.right == nil }) {
      return "a dual-pixel model needs the right views too (dataroot_lqR) beside "
        + "\(missing.input ?? "dataroot_lqL")"
    }
    let numbers = normalization.mean.count
    for channels in [model.inputChannels, model.outputChannels] where channels % numbers != 0 {
      return "\(numbers) numbers of mean and std for \(channels) channels"
    }
    if !model.dualPixel, folders.contains(where: { $0.right != nil }) {
      return "right views (dataroot_lqR) are for dual-pixel models"
    }
    return folders.compactMap(\.fault).first
  }
}
