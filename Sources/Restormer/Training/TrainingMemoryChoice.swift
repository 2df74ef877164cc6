import Kernels

/// Decides before anything is allocated whether blocks are computed again in the backward pass.
struct TrainingMemoryChoice<B: Backend> {
  private let options: TrainingOptions
  private let model: RestormerModel
  private let backend: B
  private let stage: TrainingOptions.Stage
  /// Bytes of decoded images that are kept.
  private let images: Int

  /// What the program itself takes, libraries and drivers with it: measured.
  private static var program: Int { B.self == CPUBackend.self ? 95_000_000 : 150_000_000 }

  /// Plans the stage of `options` that needs most, beside `images` bytes of decoded images.
  init(_ options: TrainingOptions, _ model: RestormerModel, images: Int, on backend: B) {
    (self.options, self.model, self.backend, self.images) = (options, model, backend, images)
    stage =
      options.stages.max {
        $0.batch * $0.patch * $0.patch < $1.batch * $1.patch * $1.patch
      } ?? TrainingOptions.Stage(steps: 0, patch: 8, batch: 1)
  }

  /// Whether to compute again; the plan is told to `note` as one line.
  /// - Throws: `DataError` with that line and what would fit.
  func decide(_ note: (String) -> Void) throws -> Bool {
    let available = backend.memoryLimits.total
    let plain = try need(stage, recompute: false)
    let line =
      "patch \(stage.patch), batch \(stage.batch) needs \(gigabytes(plain)); "
      + "this device has \(gigabytes(available))"
    if options.recompute != .on, plain <= available {
      note(line)
      return false
    }
    let less = try need(stage, recompute: true)
    let both = "\(line); with recompute \(gigabytes(less))"
    guard less <= available else { throw DataError("\(both). \(try suggestion(available))") }
    guard options.recompute != .off else {
      throw DataError("\(both): would fit with recompute auto or on")
    }
    note(both + ": using recompute")
    return true
  }

  private func need(_ stage: TrainingOptions.Stage, recompute: Bool) throws -> Int {
    let shape = Shape(stage.batch, options.model.inputChannels, stage.patch, stage.patch)
    let step = try TrainingEngine.memory(
      model, shape: shape, recompute: recompute, averaged: options.averageDecay != nil,
      accumulating: options.accumulate > 1, on: backend
    ).total
    // Where the device is the machine itself, all else that the run holds lies there too.
    return backend.memoryLimits.isHost ? step + Self.program + images + batches(shape) : step
  }

  /// Bytes of the batches that are in use or made ready.
  private func batches(_ shape: Shape) -> Int {
    let target = shape.count / shape.c * options.model.outputChannels
    return 4 * (shape.count + target) * BatchLoader.stepsAhead * options.accumulate
  }

  /// The largest batch, or else patch, that would fit.
  private func suggestion(_ available: Int) throws -> String {
    func fits(_ patch: Int, _ batch: Int) throws -> Bool {
      try need(.init(steps: 1, patch: patch, batch: batch), recompute: true) <= available
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
