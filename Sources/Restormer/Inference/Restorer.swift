import Foundation
import Kernels

/// How images are restored.
public struct RestoreOptions: Sendable {
  /// How the image is cut.
  public var tile = TileSize.automatic
  /// Pixels that neighbouring tiles share at least; rounded up to a multiple of 8.
  public var overlap = 32
  /// How tiles are merged.
  public var blend = TileBlend.smooth
  /// Average over the flips and rotations that the network was trained with.
  public var ensemble = false
  /// Where attention takes its statistics from.
  public var localStatistics = LocalStatistics.automatic
  /// Change pictures that look sharp already or are no pages, too, where the weights would leave them alone.
  public var evenSharp = false

  /// Whole images where they fit, smooth tiles elsewhere.
  public init() {}
}

/// Restoring is not possible as asked.
public struct RestoreError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Restores images of any size with one set of weights on one backend.
///
/// The network is recorded once per tile shape and replayed; a plan is kept until another shape is needed.
public final class Restorer<B: Backend> {
  /// The network.
  public let model: RestormerModel
  /// Where it runs.
  public let backend: B
  /// The options in force.
  public let options: RestoreOptions
  let whitensPaper: Bool
  let leastCrispnessGain: Double?
  /// Whether pages that lie on their side are turned for the network, which knows upright ones only.
  let turnsPages: Bool
  private let normalization: ImageNormalization
  /// The orientations that results are averaged over.
  private let orientations: [Symmetry]
  private let parameters: DeviceParameters<B>
  private var session: Session?
  private var chosenLayouts: [PlanShape: Layout] = [:]
  /// Hears what the caller should know, one line each.
  public var note: (String) -> Void = { _ in }
  /// Bytes that plans may take.
  private var room: Int

  private struct PlanShape: Hashable {
    let width: Int
    let height: Int
  }

  private struct Session {
    let shape: PlanShape
    let saving: MemorySaving
    let recording: RestormerModel.Recording
    let plan: Plan<B>
  }

  /// Moves `weights` to `backend`.
  /// - Throws: the backend's error when memory does not suffice; `RestoreError` for a tile that is no positive
  ///   multiple of 8.
  public init(_ weights: ModelWeights, on backend: B, options: RestoreOptions = .init()) throws {
    if case .pixels(let side) = options.tile, side < 16 || side % RestormerModel.sizeMultiple != 0 {
      throw RestoreError("tile size \(side): expected a multiple of 8, at least 16, 'auto' or 0")
    }
    if case .pixels(let side) = options.tile, options.overlap >= side {
      throw RestoreError("overlap \(options.overlap): expected less than the tile's \(side) pixels")
    }
    guard options.overlap >= 0 else {
      throw RestoreError("overlap \(options.overlap): expected 0 or more")
    }
    if case .pixels(let side) = options.localStatistics, side < LocalStatistics.smallest {
      throw RestoreError(
        "local statistics of \(side) pixels: expected at least \(LocalStatistics.smallest)")
    }
    var model = weights.model
    model.statistics = options.localStatistics.choice(trainedOn: weights.trainingPatch)
    self.model = model
    normalization = weights.normalization
    orientations = options.ensemble ? weights.symmetries : [.identity]
    (whitensPaper, leastCrispnessGain) = (weights.whitensPaper, weights.leastCrispnessGain)
    turnsPages = weights.areForPages && weights.symmetries.allSatisfy { !$0.transposed }
    self.backend = backend
    self.options = options
    parameters = try DeviceParameters(weights.model, values: weights.values, on: backend)
    room = backend.memory.total - backend.bytesInUse
  }

  /// Restores one image of the model's input channels, values in [0, 1]; any normalisation is applied
  /// before and undone after the network. The result is not clamped.
  ///
  /// - Parameter progress: called with the fraction done, 0 to 1; what it throws ends the work.
  /// - Throws: the backend's error; `RestoreError` when the image fits neither whole nor in tiles.
  public func restore(
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

  /// What the last run did, and the memory it took; nil before the first.
  public var plan: ModelPlan? {
    session.map {
      ModelPlan(
        nodes: $0.plan.nodes, activations: $0.plan.memory.need.total,
        parameters: MemoryNeed(storages: [model.parameterExtent]).total)
    }
  }

  /// Restores a picture of which `window` gives parts, and gives away its rows one by one: the picture itself need never
  /// be in memory as floats, unless orientations are averaged.
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

  /// How an image is cut and carried out.
  public struct Layout: Sendable, Equatable {
    /// The side of the tiles; nil for the whole image at once.
    public let side: Int?
    /// How far the plan goes to fit into memory.
    public let saving: MemorySaving
  }

  /// Bytes of device memory that one run over `width x height` takes, parameters included.
  /// - Throws: `RuleError`.
  public func memoryNeed(width: Int, height: Int, saving: MemorySaving = .none) throws -> Int {
    let parameters = MemoryNeed(storages: [model.parameterExtent])
    return (try need(width, height, saving) + parameters).total
  }

  /// What the plan of one run takes.
  private func need(_ width: Int, _ height: Int, _ saving: MemorySaving) throws -> MemoryNeed {
    let recording = try lowered(width: width, height: height, saving: saving)
    return MemoryPlan(
      recording.graph, keeping: [recording.output], external: recording.parameters, on: backend
    ).need
  }

  /// The network for one shape as this device is to run it.
  private func lowered(
    width: Int, height: Int, saving: MemorySaving
  ) throws -> RestormerModel.Recording {
    let recording = model.record(height: height, width: width)
    recording.graph.lower(
      for: LoweringTarget(backend.traits, .inference, saving: saving, rules: try .inForce),
      keeping: [recording.output])
    return recording
  }

  /// Bytes of the machine's own memory that an image of `width x height` takes beside that of the network, at most: the
  /// samples as read and as restored; as floats what goes into the network and comes out of it at once; and where
  /// orientations are averaged, five copies more.
  public func hostMemoryNeed(width: Int, height: Int) -> Int {
    let (samples, float) = (4, 4)
    let copies = (orientations.count > 1 ? 5 : 0) + (options.tile.isFixed ? 0 : 2)
    let values = copies * max(model.configuration.inputChannels, 3)
    return width * height * (2 * 2 * samples + float * values)
  }

  /// How an image of `width x height` is cut: whole if it fits, saving as little memory as must be, else in tiles.
  /// - Throws: `RestoreError` when nothing fits the device.
  public func layout(width: Int, height: Int) throws -> Layout {
    let key = PlanShape(width: roundUp(width, 8), height: roundUp(height, 8))
    if let known = chosenLayouts[key] { return known }
    let layout = try chooseLayout(width: key.width, height: key.height)
    chosenLayouts[key] = layout
    return layout
  }

  private func chooseLayout(width: Int, height: Int) throws -> Layout {
    switch options.tile {
    case .whole: return try wholeLayout(width: width, height: height)
    case .automatic:
      return try largestLayout(width: width, height: height, side: max(width, height))
    case .pixels(let side):
      return try largestLayout(width: width, height: height, side: min(side, max(width, height)))
    }
  }

  /// Whether a run fits `room` bytes, no allocation larger than the device allows.
  private func fits(
    _ width: Int, _ height: Int, _ saving: MemorySaving, room: Int
  ) throws -> Bool {
    let need = try need(width, height, saving)
    return need.total <= room && need.largest <= backend.memory.allocation
  }

  /// The least that must be saved for a run to fit `room` bytes, if that can be done.
  private func leastSaving(_ width: Int, _ height: Int, room: Int) throws -> MemorySaving? {
    try MemorySaving.allCases.first { try fits(width, height, $0, room: room) }
  }

  private func wholeLayout(width: Int, height: Int) throws -> Layout {
    if let saving = try leastSaving(width, height, room: room) {
      return Layout(side: nil, saving: saving)
    }
    throw RestoreError(
      "\(width)x\(height) at once needs \(shortage(try need(width, height, .values))), "
        + "\(gigabytes(room)) are left: use tiles (--tile auto)")
  }

  private func shortage(_ need: MemoryNeed) -> String {
    "\(gigabytes(need.total)) of memory, \(gigabytes(need.largest)) of it in one piece; "
      + "\(backend.name) offers \(gigabytes(backend.memory.total)) in pieces of "
      + gigabytes(backend.memory.allocation)
  }

  /// The whole image if it is no larger than `side` and fits, else tiles of at most `side`.
  private func largestLayout(width: Int, height: Int, side: Int) throws -> Layout {
    // Where the network runs in the machine's own memory, the image lies there too.
    let room =
      backend.memory.isHost ? room - hostMemoryNeed(width: width, height: height) : room
    func saving(_ side: Int) throws -> MemorySaving? {
      try leastSaving(min(side, width), min(side, height), room: room)
    }
    func holds(_ side: Int) throws -> Bool {
      try fits(min(side, width), min(side, height), .bands, room: room)
    }
    let isWhole = side >= max(width, height)
    if try isWhole || holds(side), let saving = try saving(side) {
      return Layout(side: isWhole ? nil : side, saving: saving)
    }
    // Memory grows with the tile: halve the interval of sides, in steps of 8.
    var (low, high) = (0, side / 8)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try holds(8 * middle) { low = middle } else { high = middle }
    }
    // A tile must leave room for something between its overlaps.
    let smallest = max(16, 2 * roundUp(options.overlap, 8) + 8)
    guard 8 * low >= smallest else {
      let need = try need(min(smallest, width), min(smallest, height), .bands)
      throw RestoreError(
        "the smallest tile, \(smallest)x\(smallest), needs \(shortage(need)), "
          + "\(gigabytes(max(0, room))) are left for a picture of \(width)x\(height)")
    }
    if case .pixels = options.tile {
      note("tiles of \(side) do not fit the device's memory: taking tiles of \(8 * low)")
    }
    return Layout(side: 8 * low, saving: try saving(8 * low) ?? .bands)
  }

  /// A device that has less memory than it says, or lends it to others, is asked for less: half of what was too much.
  /// - Throws: `error` where nothing smaller is left.
  private func shrink(
    width: Int, height: Int, from layout: Layout, after error: any Error
  ) throws {
    session = nil
    let (width, height) = (roundUp(width, 8), roundUp(height, 8))
    let side = layout.side ?? max(width, height)
    let need = try need(min(side, width), min(side, height), layout.saving)
    room = min(room, need.total) / 2
    chosenLayouts = [:]
    guard let next = try? self.layout(width: width, height: height), next != layout else {
      throw error
    }
    let how = next.side.map { "tiles of \($0)" } ?? "a plan that saves memory"
    note("the device is out of memory: going on with \(how)")
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
        try shrink(width: width, height: height, from: layout, after: error)
      }
    }
  }

  private func restoreOnce(
    width: Int, height: Int, _ layout: Layout, window: Window, progress: (Double) throws -> Void,
    _ take: TileMerger.Taker
  ) throws {
    let (paddedWidth, paddedHeight) = (roundUp(width, 8), roundUp(height, 8))
    let grid = TileGrid(
      width: paddedWidth, height: paddedHeight,
      tile: layout.side ?? max(paddedWidth, paddedHeight),
      overlap: roundUp(options.overlap, 8), square: options.blend == .box && layout.side != nil)
    let channels = model.configuration.outputChannels
    var merger = TileMerger(
      grid, blend: options.blend, channels: channels, width: width, height: height)
    for (row, y) in grid.ys.enumerated() {
      for (column, x) in grid.xs.enumerated() {
        let index = Double(row * grid.xs.count + column)
        let tile = try run(window(x, y, grid.tileWidth, grid.tileHeight), layout) {
          try progress((index + $0) / Double(grid.count))
        }
        try merger.add(tile, column: column, row: row) { y, values in
          normalization.undo(on: &values, channels: channels)
          try take(y, &values)
        }
      }
    }
  }

  private func run(
    _ tile: PlanarImage, _ layout: Layout, progress: (Double) throws -> Void
  ) throws -> [Float] {
    let session = try session(
      PlanShape(width: tile.width, height: tile.height), layout.saving)
    var pixels = tile.pixels
    normalization.apply(to: &pixels, channels: tile.channels)
    try session.plan.write(pixels, to: session.recording.input)
    try session.plan.run(reporting: progress)
    return try session.plan.read(session.recording.output)
  }

  private func session(_ shape: PlanShape, _ saving: MemorySaving) throws -> Session {
    if let session, session.shape == shape, session.saving == saving { return session }
    // The old plan's memory goes back before the new one's is taken.
    session = nil
    let recording = try lowered(width: shape.width, height: shape.height, saving: saving)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    let made = Session(shape: shape, saving: saving, recording: recording, plan: plan)
    session = made
    return made
  }
}

/// A byte count for people: `3.2 GB`, `640 MB`.
public func gigabytes(_ bytes: Int) -> String {
  let value = Double(bytes) / 1e9
  return value >= 1 ? String(format: "%.1f GB", value) : String(format: "%.0f MB", value * 1e3)
}
