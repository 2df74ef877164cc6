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

  /// What the program itself takes, libraries and drivers with it: measured.
  private static var program: Int { B.self == CPUBackend.self ? 95_000_000 : 150_000_000 }

  /// Plans the stage of `options` that needs most, beside `images` bytes of decoded images.
  init(
    _ options: TrainingOptions, _ model: RestormerModel, images: Int, ranks: Int, on backend: B
  ) {
    (self.options, self.model, self.backend, self.images) = (options, model, backend, images)
    self.ranks = ranks
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
      "patch \(stage.patch), batch \(stage.batch) needs \(describe(plain)); this device offers "
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
      averaged: options.averageDecay != nil, accumulating: options.accumulate > 1,
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
