import Kernels

/// Decides before anything is allocated whether blocks are computed again in the backward pass.
struct TrainingMemoryChoice<B: Backend> {
  private let options: TrainingOptions
  private let model: RestormerModel
  private let backend: B
  private let stage: TrainingOptions.Stage
  /// Bytes of decoded images that are kept.
  private let images: Int
  private let ranks: Int
  /// The largest picture of the validation.
  private let picture: (width: Int, height: Int)?

  /// What the program itself takes, libraries and drivers with it: measured.
  private static var program: Int { B.self == CPUBackend.self ? 95_000_000 : 150_000_000 }

  /// Plans the stage of `options` that needs most, beside `images` bytes of decoded images;
  /// `picture` is the largest that is validated on.
  init(
    _ options: TrainingOptions, _ model: RestormerModel, images: Int,
    picture: (width: Int, height: Int)?, ranks: Int, on backend: B
  ) {
    (self.options, self.model, self.backend, self.images) = (options, model, backend, images)
    (self.picture, self.ranks) = (picture, ranks)
    stage =
      options.stages.max {
        $0.batch * $0.patch * $0.patch < $1.batch * $1.patch * $1.patch
      } ?? TrainingOptions.Stage(steps: 0, patch: 8, batch: 1)
  }

  /// Whether to compute again; the plan is told to `note` as one line.
  /// - Throws: `DataError` with that line and what would fit.
  func decide(_ note: (String) -> Void) throws -> Bool {
    let plain = try need(stage, recompute: false)
    let line =
      "patch \(stage.patch), batch \(stage.batch) needs \(describe(plain))"
      + (options.precision == .half ? " with activations as half" : "")
      + "\(try beyond(plain)); this device offers "
      + gigabytes(backend.memory.total - backend.bytesInUse)
    if options.recompute != .on, fits(plain) {
      note(line)
      return false
    }
    let less = try need(stage, recompute: true)
    let both = "\(line); with recompute \(describe(less))"
    guard fits(less) else { throw DataError("\(both). \(try suggestion())") }
    guard options.recompute != .off else {
      throw DataError("\(both): would fit with recompute auto or on")
    }
    note(both + ": using recompute")
    return true
  }

  /// What a validation takes, for people, where that is more than the steps do.
  private func beyond(_ step: MemoryNeed) throws -> String {
    guard let need = try validation(), need.total > step.total else { return "" }
    return ", validating \(gigabytes(need.total))" + (fits(need) ? "" : ", less in tiles")
  }

  /// A validation restores its pictures in the place of a step's activations: with weights of their
  /// own, whole where they fit.
  private func validation() throws -> MemoryNeed? {
    guard let picture else { return nil }
    let (width, height) = (roundUp(picture.width, 8), roundUp(picture.height, 8))
    let recording = model.record(height: height, width: width)
    recording.graph.lower(
      for: LoweringTarget(backend.traits, .inference, rules: try .inForce),
      keeping: [recording.output])
    let plan = MemoryPlan(
      recording.graph, keeping: [recording.output], external: recording.parameters, on: backend)
    let need =
      plan.need + MemoryNeed(storages: [model.parameterExtent])
      + ParameterRegions<B>.need(
        model, averaged: options.averageDecay != nil, accumulating: options.accumulate > 1,
        slices: options.shardOptimizer ? ranks : 1)
    guard backend.memory.isHost else { return need }
    return need + MemoryNeed(pieces: Self.program + images + hostBytes(of: picture))
  }

  /// Bytes of a validated picture in the machine's own memory: the input, what the network is given
  /// and gives, the result and the target as floats; beside them the weights as they are read and
  /// as they are copied.
  private func hostBytes(of picture: (width: Int, height: Int)) -> Int {
    let channels = 3 * options.model.inputChannels + 3 * options.model.outputChannels
    return 4 * (picture.width * picture.height * channels + 2 * model.parameterExtent)
  }

  private func fits(_ need: MemoryNeed) -> Bool {
    backend.memory.holds(need, beside: backend.bytesInUse)
  }

  /// The bytes, and the largest piece where that alone is too much.
  private func describe(_ need: MemoryNeed) -> String {
    let limit = backend.memory.allocation
    guard need.largest > limit else { return gigabytes(need.total) }
    return "\(gigabytes(need.total)), \(gigabytes(need.largest)) of it in one piece of at most "
      + gigabytes(limit)
  }

  private func need(_ stage: TrainingOptions.Stage, recompute: Bool) throws -> MemoryNeed {
    let shape = Shape(stage.batch, options.model.inputChannels, stage.patch, stage.patch)
    let step = try TrainingEngine.need(
      model, shape: shape, optimizer: options.optimizer, recompute: recompute,
      storing: options.precision.storage, averaged: options.averageDecay != nil,
      accumulating: options.accumulate > 1,
      slices: options.shardOptimizer ? ranks : 1, on: backend)
    guard backend.memory.isHost else { return step }
    // Where the device is the machine itself, all else that the run holds lies there too.
    return step + MemoryNeed(pieces: Self.program + images + batches(shape))
  }

  /// Bytes of the batches that are in use or made ready.
  private func batches(_ shape: Shape) -> Int {
    let target = shape.count / shape.c * options.model.outputChannels
    return 4 * (shape.count + target) * BatchLoader.stepsAhead * options.accumulate
  }

  /// The largest batch, or else patch, that would fit.
  private func suggestion() throws -> String {
    func fits(_ patch: Int, _ batch: Int) throws -> Bool {
      self.fits(try need(.init(steps: 1, patch: patch, batch: batch), recompute: true))
    }
    if let batch = try largest(below: stage.batch, { try fits(stage.patch, $0) }) {
      return "Batch \(batch) would fit"
    }
    let unit = RestormerModel.sizeMultiple
    if let units = try largest(below: stage.patch / unit, { try fits(unit * $0, 1) }) {
      return "Patch \(unit * units), batch 1 would fit"
    }
    return "Nothing fits: the model is too large for this device"
  }

  /// The largest number from 1 to below `end` that fits, by halving: need grows with the number.
  private func largest(below end: Int, _ fits: (Int) throws -> Bool) rethrows -> Int? {
    var (low, high) = (0, end)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try fits(middle) { low = middle } else { high = middle }
    }
    return low > 0 ? low : nil
  }
}
