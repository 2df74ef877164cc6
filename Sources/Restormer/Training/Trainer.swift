import Foundation
import Kernels

/// What a run has to say.
public enum TrainingEvent: Sendable {
  /// Something worth a line: memory plan, resumption, a skipped step.
  case note(String)
  /// One step is done.
  case step(StepReport)
  /// An epoch is done: means of L1 and L2 over its steps.
  case epoch(number: Int, step: Int, l1: Double, l2: Double)
  /// Validation is done.
  case validation(step: Int, scores: Scores, isBest: Bool)
  /// A checkpoint was written.
  case saved(step: Int)
}

/// The state of a run after a step.
public struct StepReport: Sendable {
  /// Steps done.
  public let step: Int
  /// Steps of the whole run.
  public let totalSteps: Int
  /// Epochs done, with a fraction.
  public let epoch: Double
  /// The learning rate.
  public let rate: Double
  /// Losses of the step.
  public let losses: BatchLosses
  /// The gradient's norm before clipping.
  public let gradientNorm: Double
  /// Seconds of the step.
  public let seconds: Double
  /// Seconds of them spent waiting for data.
  public let dataWait: Double
}

/// Why a run ended.
public enum TrainingEnd: Sendable, Equatable {
  /// All steps are done.
  case finished
  /// Asked to stop; everything is saved.
  case stopped
}

/// A training run: data, steps, validation and checkpoints in one folder, resumed where it stood.
public final class Trainer<B: Backend> {
  private let options: TrainingOptions
  private let folder: RunFolder
  private let backend: B
  private let engine: TrainingEngine<B>
  private let loader: BatchLoader
  private let epochLength: Int
  private let validator: Validator?
  private let report: (TrainingEvent) -> Void
  private let log: MetricsLog
  private let events: EventWriter
  private var step = 0
  private var best = -Double.infinity
  private var badSteps = 0
  private var epochLosses: [BatchLosses] = []

  private static var columns: [String] {
    ["step", "epoch", "rate", "l1", "l2", "psnr", "ssim", "val_l1", "val_l2"]
  }

  /// Prepares a run: reads the data folders, plans memory, resumes the newest state of the folder.
  ///
  /// - Parameters:
  ///   - options: what to do.
  ///   - experiments: the folder in which the run's folder lies.
  ///   - backend: where to compute.
  ///   - report: hears what happens, on the calling thread.
  /// - Throws: `DataError`, `RestoreError` when the step fits no way, file and backend errors.
  public init(
    _ options: TrainingOptions, experiments: String = "experiments", on backend: B,
    report: @escaping (TrainingEvent) -> Void
  ) throws {
    if let fault = options.fault { throw DataError(fault) }
    (self.options, self.backend, self.report) = (options, backend, report)
    let source = try Self.source(options)
    epochLength = source.count
    validator = try options.validation.map {
      Validator(
        try Self.pairs($0, options.validationTargets, options.validationRightViews))
    }
    folder = try RunFolder("\(experiments)/\(options.name)")
    let model = RestormerModel(options.model)
    loader = BatchLoader(
      PatchSampler(
        source, model: options.model, normalization: options.normalization, seed: options.seed))
    let (checkpoint, faults) = folder.newestState()
    for fault in faults { report(.note("\(fault): taking the state before it")) }
    let recompute = try Self.chooseRecompute(options, model, backend, report)
    engine = try TrainingEngine(
      model, values: try Self.startValues(options, model).values, loss: options.loss,
      optimizer: options.optimizer, averageDecay: options.averageDecay,
      accumulating: options.accumulate > 1, recompute: recompute, on: backend)
    log = try MetricsLog(
      path: "\(folder.path)/metrics.csv", columns: Self.columns, before: checkpoint?.step ?? 0)
    events = try EventWriter(folder: "\(folder.path)/events")
    try writeAtomically(
      Array(try options.yaml().utf8), to: "\(folder.path)/options.yml")
    if let checkpoint { try resume(checkpoint) }
  }

  private static func source(_ options: TrainingOptions) throws -> any PairSource {
    let cacheBytes = 2 << 30
    if let noise = options.noise, let clean = options.targets {
      return try NoisySource(folder: clean, sigma: noise, cacheBytes: cacheBytes)
    }
    return FilePairSource(
      try pairs(options.data, options.targets, options.rightViews), cacheBytes: cacheBytes)
  }

  private static func pairs(
    _ input: String, _ target: String?, _ right: String?
  ) throws -> PairedFolder {
    let pairs =
      try target.map { try PairedFolder(input: input, target: $0) } ?? PairedFolder(root: input)
    return try right.map { try pairs.adding(right: $0) } ?? pairs
  }

  private static func startValues(
    _ options: TrainingOptions, _ model: RestormerModel
  ) throws -> ModelWeights {
    guard let path = options.pretrained else {
      return ModelWeights.initialized(model, seed: options.seed)
    }
    let weights = try ModelWeights(contentsOf: path)
    guard weights.model.configuration == options.model else {
      throw DataError(
        "\(path): its network is \(weights.model.configuration.summary), "
          + "expected \(options.model.summary)")
    }
    return weights
  }

  /// Plans the memory of every stage before anything is allocated.
  private static func chooseRecompute(
    _ options: TrainingOptions, _ model: RestormerModel, _ backend: B,
    _ report: (TrainingEvent) -> Void
  ) throws -> Bool {
    func need(_ stage: TrainingOptions.Stage, _ recompute: Bool) -> Int {
      let shape = Shape(stage.batch, options.model.inputChannels, stage.patch, stage.patch)
      return TrainingEngine.memory(
        model, shape: shape, recompute: recompute, averaged: options.averageDecay != nil,
        accumulating: options.accumulate > 1, on: backend
      ).total
    }
    let stages = options.stages.sorted {
      $0.batch * $0.patch * $0.patch > $1.batch * $1.patch * $1.patch
    }
    guard let largest = stages.first else { return false }
    let available = backend.memoryLimits.total
    let title = "patch \(largest.patch), batch \(largest.batch)"
    let plain = need(largest, false)
    if options.recompute == .off || (options.recompute == .auto && plain <= available) {
      guard plain <= available else {
        throw DataError(
          "\(title) needs \(gigabytes(plain)); this device has \(gigabytes(available))")
      }
      report(.note("\(title) needs \(gigabytes(plain)); this device has \(gigabytes(available))"))
      return false
    }
    let less = need(largest, true)
    let line =
      "\(title) needs \(gigabytes(plain)); this device has \(gigabytes(available)); "
      + "with recompute \(gigabytes(less))"
    guard less <= available else {
      throw DataError("\(line). \(suggestion(largest, available) { need($0, true) })")
    }
    report(.note(line + ": using recompute"))
    return true
  }

  /// The largest batch or patch that would fit.
  private static func suggestion(
    _ stage: TrainingOptions.Stage, _ available: Int, _ need: (TrainingOptions.Stage) -> Int
  ) -> String {
    var smaller = stage
    while smaller.batch > 1 {
      smaller.batch -= 1
      if need(smaller) <= available { return "Batch \(smaller.batch) would fit" }
    }
    while smaller.patch > 8 {
      smaller.patch -= 8
      if need(smaller) <= available { return "Patch \(smaller.patch), batch 1 would fit" }
    }
    return "Nothing fits: the model is too large for this device"
  }

  private func resume(_ checkpoint: Checkpoint) throws {
    guard checkpoint.values.count == engine.model.parameterExtent else {
      throw DataError(
        "\(folder.path): its states belong to another network; choose another --name")
    }
    for change in checkpoint.changes(to: options) { report(.note("changed option \(change)")) }
    try engine.restore(
      values: checkpoint.values,
      averaged: checkpoint.averaged.isEmpty ? nil : checkpoint.averaged,
      first: checkpoint.first, second: checkpoint.second)
    (step, best) = (checkpoint.step, checkpoint.best)
    report(.note("going on after step \(step)"))
  }

  /// Trains until all steps are done or `shouldStop` says so; then everything is saved.
  /// - Throws: `DataError` after ten bad steps in a row, file and backend errors.
  public func run(shouldStop: () -> Bool) throws -> TrainingEnd {
    while step < options.totalSteps {
      try trainStep()
      try finishEpochIfDue()
      let isLast = step == options.totalSteps
      if isValidationDue || isLast { try validate() }
      if step % options.checkpointInterval == 0 || isLast { try save() }
      if !isLast, shouldStop() {
        try save()
        return .stopped
      }
    }
    try folder.save(try weights(), as: "final")
    return .finished
  }

  private func requests(_ step: Int) -> [BatchLoader.Request] {
    guard step < options.totalSteps else { return [] }
    let stage = options.stage(at: step)
    var patches = PatchOptions(size: stage.patch, batch: stage.batch)
    (patches.augment, patches.mixup) = (options.augment, options.mixup)
    return (0..<options.accumulate).map { part in
      BatchLoader.Request(
        index: step * options.accumulate + part,
        first: options.position(at: step) + part * stage.batch, options: patches)
    }
  }

  private func trainStep() throws {
    let start = Date()
    loader.prepare(requests(step) + requests(step + 1) + requests(step + 2))
    var wait = 0.0
    var losses: [BatchLosses] = []
    for request in requests(step) {
      let asked = Date()
      let result = try loader.batch(request)
      wait += Date().timeIntervalSince(asked)
      for fault in result.faults { report(.note("\(fault): another image was taken")) }
      losses.append(try engine.backward(result.batch))
    }
    let count = Double(losses.count)
    let mean = BatchLosses(
      l1: losses.reduce(0) { $0 + $1.l1 } / count, l2: losses.reduce(0) { $0 + $1.l2 } / count,
      loss: losses.reduce(0) { $0 + $1.loss } / count)
    let norm = try engine.gradientNorm(batches: losses.count)
    let rate = options.rate.rate(step: step)
    if mean.loss.isFinite && norm.isFinite {
      try engine.step(step + 1, rate: rate, batches: losses.count, norm: norm, clip: options.clip)
      badSteps = 0
      epochLosses.append(mean)
    } else {
      try skipStep(mean, norm)
    }
    step += 1
    report(
      .step(
        StepReport(
          step: step, totalSteps: options.totalSteps, epoch: epoch(at: step), rate: rate,
          losses: mean, gradientNorm: norm, seconds: Date().timeIntervalSince(start),
          dataWait: wait)))
  }

  private func skipStep(_ losses: BatchLosses, _ norm: Double) throws {
    badSteps += 1
    try engine.forgetGradients()
    report(.note("step \(step + 1) skipped: loss \(losses.loss), gradient norm \(norm)"))
    guard badSteps < 10 else {
      throw DataError(
        "ten steps in a row without a finite gradient: stopped; the last checkpoint is kept")
    }
  }

  private func epoch(at step: Int) -> Double {
    Double(options.position(at: step)) / Double(epochLength)
  }

  private func finishEpochIfDue() throws {
    let number = Int(epoch(at: step))
    guard number > Int(epoch(at: step - 1)), !epochLosses.isEmpty else { return }
    let count = Double(epochLosses.count)
    let l1 = epochLosses.reduce(0) { $0 + $1.l1 } / count
    let l2 = epochLosses.reduce(0) { $0 + $1.l2 } / count
    epochLosses = []
    let rate = options.rate.rate(step: step - 1)
    try log.append([Double(step), Double(number), rate, l1, l2, nil, nil, nil, nil])
    try events.scalars(["train/l1": l1, "train/l2": l2, "train/rate": rate], step: step)
    report(.epoch(number: number, step: step, l1: l1, l2: l2))
  }

  private var isValidationDue: Bool {
    if options.validationInterval > 0 { return step % options.validationInterval == 0 }
    return Int(epoch(at: step)) > Int(epoch(at: step - 1))
  }

  /// The weights that are validated and kept: the moving average where there is one.
  private func weights() throws -> ModelWeights {
    var weights = ModelWeights(model: engine.model, normalization: options.normalization)
    weights.values = try engine.averagedValues() ?? engine.values()
    return weights
  }

  private func validate() throws {
    guard let validator else { return }
    let current = try weights()
    let scores = try validator.scores(
      current, on: backend, strips: "\(folder.path)/samples")
    let isBest = scores.psnr > best
    if isBest {
      best = scores.psnr
      try folder.save(current, as: "best")
    }
    try log.append([
      Double(step), epoch(at: step), options.rate.rate(step: step - 1), nil, nil, scores.psnr,
      scores.ssim, scores.l1, scores.l2,
    ])
    try events.scalars(
      ["val/psnr": scores.psnr, "val/ssim": scores.ssim, "val/l1": scores.l1, "val/l2": scores.l2],
      step: step)
    report(.validation(step: step, scores: scores, isBest: isBest))
  }

  private func save() throws {
    let checkpoint = CheckpointWriter(engine: engine, step: step, best: best, options: options)
    try folder.save(checkpoint, keeping: options.keptCheckpoints)
    try folder.save(try weights(), as: "latest")
    report(.saved(step: step))
  }
}
