import Kernels

/// Restores images of any size with one set of weights on one backend.
///
/// The network is recorded once per tile shape and replayed; a plan is kept until another shape is
/// needed.
public final class Restorer<B: Backend> {
  /// The network.
  public let model: RestormerModel
  /// Where it runs.
  public let backend: B
  /// The options in force.
  public let options: RestoreOptions
  let treatment: PictureTreatment
  /// The orientations that results are averaged over.
  let orientations: [Symmetry]
  private let parameters: DeviceParameters<B>
  private var session: Session?
  private var layouts: LayoutChooser<B>
  private var storage: StorageDecision<B>
  /// Hears what the caller should know, one line each.
  public var note: (String) -> Void = { _ in }
  /// What the machine's own memory offers.
  package var hostMemory: () -> MemoryBudget = { .host }

  private struct Session {
    let shape: PlanShape
    let saving: MemorySaving
    let precision: Precision
    let recording: RestormerModel.Recording
    let plan: Plan<B>
  }

  /// Moves `weights` to `backend`.
  /// - Throws: the backend's error when memory does not suffice; `RestoreError` for a tile that is
  ///   no positive multiple of 8; `DeviceError` for a precision that the backend does not have.
  public convenience init(
    _ weights: ModelWeights, on backend: B, options: RestoreOptions = .init()
  ) throws {
    try options.check()
    try self.init(
      DeviceParameters(weights.model, values: weights.values, on: backend),
      PictureTreatment(weights), on: backend, options: options)
  }

  /// Restores with parameters where they lie on `backend`.
  /// - Throws: `RestoreError` and `DeviceError` as above.
  package init(
    _ parameters: DeviceParameters<B>, _ treatment: PictureTreatment, on backend: B,
    options: RestoreOptions = .init()
  ) throws {
    try options.check()
    let backend = try options.precision.prepare(backend)
    var model = parameters.model
    model.statistics = options.localStatistics.choice(trainedOn: treatment.trainingPatch)
    let orientations = options.ensemble ? treatment.symmetries : [.identity]
    (self.model, self.parameters, self.backend) = (model, parameters, backend)
    (self.treatment, self.orientations, self.options) = (treatment, orientations, options)
    storage = StorageDecision(parameters, treatment.normalization, options.precision)
    layouts = LayoutChooser(model, options, on: backend) {
      Self.hostMemoryNeed(
        model, options, orientations.count, width: $0.width, height: $0.height)
    }
  }

  /// Restores one image of the model's input channels, values in [0, 1]; any normalisation is
  /// applied before and undone after the network. The result is not clamped.
  ///
  /// - Parameters:
  ///   - image: as many channels as the model takes.
  ///   - progress: called with the fraction done, 0 to 1; what it throws ends the work.
  /// - Throws: the backend's error; `RestoreError` when the image fits neither whole nor in tiles.
  package func restore(
    _ image: PlanarImage, progress: (Double) throws -> Void = { _ in }
  ) throws -> PlanarImage {
    precondition(
      image.channels == model.configuration.inputChannels,
      "Restorer: \(image.channels) channels for \(model.configuration.inputChannels)")
    var result = PlanarImage(
      width: image.width, height: image.height, channels: model.configuration.outputChannels)
    try restoreRows(
      width: image.width, height: image.height, window: image.window(_:_:_:_:), progress: progress
    ) { y, row in result.setRow(y, row) }
    return result
  }

  /// How activations are stored, which is decided when it is first asked for: `auto` tries the
  /// network on the device.
  public var precision: Precision {
    layouts.precision = storage.settle(on: backend, note: note)
    return layouts.precision
  }

  /// What the last run did, and the memory it took; nil before the first.
  package var plan: ModelPlan? {
    session.map {
      ModelPlan(
        nodes: $0.plan.nodes, activations: $0.plan.memory.need.total,
        parameters: MemoryNeed(storages: [model.parameterExtent]).total)
    }
  }

  /// Restores a picture of which `window` gives parts, and gives away its rows one by one: the
  /// picture itself need never be in memory as floats, unless orientations are averaged.
  func restoreRows(
    width: Int, height: Int, isTurned: Bool = false, window: Window,
    progress: (Double) throws -> Void, _ take: TileMerger.Taker
  ) throws {
    let orientations = isTurned ? orientations.map(\.ofTurned) : orientations
    guard orientations != [.identity] else {
      return try restoreOnce(
        width: width, height: height, window: window, progress: progress, take)
    }
    let image = window(0, 0, width, height)
    var sum = PlanarImage(
      width: width, height: height, channels: model.configuration.outputChannels)
    for (index, orientation) in orientations.enumerated() {
      let turned = orientation.apply(to: image)
      var restored = PlanarImage(
        width: turned.width, height: turned.height, channels: sum.channels)
      try restoreOnce(
        width: turned.width, height: turned.height, window: turned.window(_:_:_:_:),
        progress: { try progress((Double(index) + $0) / Double(orientations.count)) },
        { y, row in restored.setRow(y, row) })
      let upright = orientation.undo(on: restored)
      for i in upright.pixels.indices { sum.pixels[i] += upright.pixels[i] }
    }
    for y in 0..<height {
      var row = sum.window(x: 0, y: y, width: width, height: 1).pixels
      for i in row.indices { row[i] /= Float(orientations.count) }
      try take(y, &row)
    }
  }

  /// Bytes of device memory that one run over an image of `width x height` takes, parameters
  /// included.
  /// - Throws: `RuleError`.
  public func memoryNeed(of layout: RestoreLayout, width: Int, height: Int) throws -> Int {
    let image = PlanShape(width: width, height: height)
    _ = precision
    let plan = try layouts.need(image.tile(layout.side ?? image.longest), layout.saving)
    return (plan + MemoryNeed(storages: [model.parameterExtent])).total
  }

  /// How an image of `width x height` is cut: whole if it fits, saving as little memory as must be,
  /// else in tiles.
  /// - Throws: `RestoreError` when nothing fits the device.
  public func layout(width: Int, height: Int) throws -> RestoreLayout {
    _ = precision
    return try layouts.layout(PlanShape(width: width, height: height), note: note)
  }

  /// Gives the window at `(x, y)` of `width x height` of a picture, mirrored beyond its edges.
  typealias Window = (_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> PlanarImage

  private func restoreOnce(
    width: Int, height: Int, window: Window, progress: (Double) throws -> Void,
    _ take: TileMerger.Taker
  ) throws {
    var hasGiven = false
    while true {
      let layout = try layout(width: width, height: height)
      do {
        return try restoreOnce(
          width: width, height: height, layout, window: window, progress: progress
        ) { y, row in
          hasGiven = true
          try take(y, &row)
        }
      } catch let error where isOutOfMemory(error) && !hasGiven {
        session = nil
        try layouts.shrink(
          PlanShape(width: width, height: height), from: layout, after: error, note: note)
      }
    }
  }

  private func restoreOnce(
    width: Int, height: Int, _ layout: RestoreLayout, window: Window,
    progress: (Double) throws -> Void,
    _ take: TileMerger.Taker
  ) throws {
    let image = PlanShape(width: width, height: height)
    let grid = TileGrid(
      width: image.width, height: image.height, tile: layout.side ?? image.longest,
      overlap: roundUp(options.overlap, 8), square: options.blend == .box && layout.side != nil)
    let channels = model.configuration.outputChannels
    let shape = PlanShape(width: grid.tileWidth, height: grid.tileHeight)
    var merger = TileMerger(
      grid, blend: options.blend, channels: channels, width: width, height: height)
    for (row, y) in grid.ys.enumerated() {
      for (column, x) in grid.xs.enumerated() {
        let index = Double(row * grid.xs.count + column)
        let tile = try run(
          shape, layout, on: { window(x, y, shape.width, shape.height) },
          progress: { try progress((index + $0) / Double(grid.count)) })
        try merger.add(tile, column: column, row: row) { y, values in
          treatment.normalization.undo(on: &values, channels: channels)
          try take(y, &values)
        }
      }
    }
  }

  /// The network's results for the tile that `pixels` gives; in float where half storage gives some
  /// that are not finite.
  private func run(
    _ shape: PlanShape, _ layout: RestoreLayout, on pixels: () -> PlanarImage,
    progress: (Double) throws -> Void
  ) throws -> TileResult {
    let isHalf = precision == .half
    // A picture that began in half goes on in float in the same tiles, which take more memory.
    let saving = storage.hasFallenBack ? try layouts.saving(shape) : layout.saving
    let result = try run(shape, saving, on: pixels, progress: progress)
    guard isHalf, try !result.isFinite() else { return result }
    note("numbers beyond 65504 do not fit half storage: going on in float")
    storage.fallBack()
    return try run(shape, layout, on: pixels, progress: progress)
  }

  private func run(
    _ shape: PlanShape, _ saving: MemorySaving, on pixels: () -> PlanarImage,
    progress: (Double) throws -> Void
  ) throws -> TileResult {
    let session = try session(shape, saving)
    let (plan, output) = (session.plan, session.recording.output)
    try write(pixels(), to: session)
    try plan.run(reporting: progress)
    return TileResult(height: shape.height) { try plan.read(output, rows: $0) }
  }

  /// The pixels are given up before the plan runs and takes most of its memory.
  private func write(_ tile: consuming PlanarImage, to session: Session) throws {
    treatment.normalization.apply(to: &tile.pixels, channels: tile.channels)
    try session.plan.write(tile.pixels, to: session.recording.input)
  }

  private func session(_ shape: PlanShape, _ saving: MemorySaving) throws -> Session {
    let precision = precision
    if let session, session.shape == shape, session.saving == saving,
      session.precision == precision
    {
      return session
    }
    // The old plan's memory goes back before the new one's is taken.
    session = nil
    let recording = try model.inference(
      height: shape.height, width: shape.width, saving: saving, precision: precision,
      on: backend.traits, rules: .inForce)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    let made = Session(
      shape: shape, saving: saving, precision: precision, recording: recording, plan: plan)
    session = made
    return made
  }
}
