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
  /// Average over the eight flips and rotations.
  public var ensemble = false

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
  private let normalization: ImageNormalization
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
    let execution: Execution
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
    model = weights.model
    normalization = weights.normalization
    whitensPaper = weights.whitensPaper
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
    var normalized = image
    normalization.apply(to: &normalized.pixels, channels: image.channels)
    let orientations = options.ensemble ? Symmetry.allCases : [.identity]
    var sum: PlanarImage?
    for (index, orientation) in orientations.enumerated() {
      let turned = try restoreOnce(orientation.apply(to: normalized)) {
        try progress((Double(index) + $0) / Double(orientations.count))
      }
      let upright = orientation.undo(on: turned)
      if sum == nil {
        sum = upright
      } else {
        for i in upright.pixels.indices { sum?.pixels[i] += upright.pixels[i] }
      }
    }
    guard var result = sum else { return image }
    if orientations.count > 1 {
      let scale = 1 / Float(orientations.count)
      for i in result.pixels.indices { result.pixels[i] *= scale }
    }
    normalization.undo(on: &result.pixels, channels: result.channels)
    return result
  }

  /// How an image is cut and carried out.
  public struct Layout: Sendable, Equatable {
    /// The side of the tiles; nil for the whole image at once.
    public let side: Int?
    /// Whether v of the attention is kept for a whole image or tile, or computed twice to save the memory.
    public let keepsValues: Bool
  }

  /// Bytes of device memory that one run over `width x height` takes, parameters included.
  public func memoryNeed(width: Int, height: Int, keepsValues: Bool = true) -> Int {
    let parameters = MemoryNeed(storages: [model.parameterExtent])
    return (need(width, height, keepsValues: keepsValues) + parameters).total
  }

  /// What the plan of one run takes.
  private func need(_ width: Int, _ height: Int, keepsValues: Bool = true) -> MemoryNeed {
    let recording = model.record(
      height: height, width: width, execution: .banded(keepsValues: keepsValues))
    return MemoryPlan(
      recording.graph, keeping: [recording.output], external: recording.parameters, on: backend
    ).need
  }

  /// Bytes of the machine's own memory that an image of `width x height` takes beside that of the network: copies of it
  /// as read, normalised, turned, summed and merged, and the encoded file.
  public func hostMemoryNeed(width: Int, height: Int) -> Int {
    let copies = options.ensemble ? 6 : 4
    return width * height * (4 * copies * max(model.configuration.inputChannels, 3) + 8)
  }

  /// How an image of `width x height` is cut: whole if it fits, with v kept if that fits too, else in tiles.
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
  private func fits(_ width: Int, _ height: Int, keepsValues: Bool = true, room: Int) -> Bool {
    let need = need(width, height, keepsValues: keepsValues)
    return need.total <= room && need.largest <= backend.memory.allocation
  }

  private func wholeLayout(width: Int, height: Int) throws -> Layout {
    for keepsValues in [true, false]
    where fits(width, height, keepsValues: keepsValues, room: room) {
      return Layout(side: nil, keepsValues: keepsValues)
    }
    throw RestoreError(
      "\(width)x\(height) at once needs \(shortage(need(width, height, keepsValues: false))), "
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
    func holds(_ side: Int, keepsValues: Bool = true) -> Bool {
      fits(min(side, width), min(side, height), keepsValues: keepsValues, room: room)
    }
    let isWhole = side >= max(width, height)
    for keepsValues in isWhole ? [true, false] : [true]
    where holds(side, keepsValues: keepsValues) {
      return Layout(side: isWhole ? nil : side, keepsValues: keepsValues)
    }
    // Memory grows with the tile: halve the interval of sides, in steps of 8.
    var (low, high) = (0, side / 8)
    while high - low > 1 {
      let middle = (low + high) / 2
      if holds(8 * middle) { low = middle } else { high = middle }
    }
    // A tile must leave room for something between its overlaps.
    let smallest = max(16, 2 * roundUp(options.overlap, 8) + 8)
    guard 8 * low >= smallest else {
      let need = need(min(smallest, width), min(smallest, height))
      throw RestoreError(
        "the smallest tile, \(smallest)x\(smallest), needs \(shortage(need)), "
          + "\(gigabytes(max(0, room))) are left for a picture of \(width)x\(height)")
    }
    if case .pixels = options.tile {
      note("tiles of \(side) do not fit the device's memory: taking tiles of \(8 * low)")
    }
    return Layout(side: 8 * low, keepsValues: true)
  }

  /// A device that has less memory than it says, or lends it to others, is asked for less: half of what was too much.
  /// - Throws: `error` where nothing smaller is left.
  private func shrink(_ image: PlanarImage, from layout: Layout, after error: any Error) throws {
    session = nil
    let (width, height) = (roundUp(image.width, 8), roundUp(image.height, 8))
    let side = layout.side ?? max(width, height)
    let need = need(min(side, width), min(side, height), keepsValues: layout.keepsValues)
    room = min(room, need.total) / 2
    chosenLayouts = [:]
    guard let next = try? self.layout(width: width, height: height), next != layout else {
      throw error
    }
    let how = next.side.map { "tiles of \($0)" } ?? "v computed twice"
    note("the device is out of memory: going on with \(how)")
  }

  private func restoreOnce(
    _ image: PlanarImage, progress: (Double) throws -> Void
  ) throws -> PlanarImage {
    while true {
      let layout = try layout(width: image.width, height: image.height)
      do {
        return try restoreOnce(image, layout, progress: progress)
      } catch let error where isOutOfMemory(error) {
        try shrink(image, from: layout, after: error)
      }
    }
  }

  private func restoreOnce(
    _ image: PlanarImage, _ layout: Layout, progress: (Double) throws -> Void
  ) throws -> PlanarImage {
    let (width, height) = (roundUp(image.width, 8), roundUp(image.height, 8))
    let side = layout.side
    let grid = TileGrid(
      width: width, height: height, tile: side ?? max(width, height),
      overlap: roundUp(options.overlap, 8), square: options.blend == .box && side != nil)
    let channels = model.configuration.outputChannels
    var accumulator = TileAccumulator(width: width, height: height, channels: channels)
    for (row, y) in grid.ys.enumerated() {
      for (column, x) in grid.xs.enumerated() {
        let tile = image.window(x: x, y: y, width: grid.tileWidth, height: grid.tileHeight)
        accumulator.add(
          try run(tile, layout), grid: grid, column: column, row: row, blend: options.blend)
        try progress(Double(row * grid.xs.count + column + 1) / Double(grid.count))
      }
    }
    return PlanarImage(
      width: image.width, height: image.height, channels: channels,
      pixels: accumulator.result(width: image.width, height: image.height))
  }

  private func run(_ tile: PlanarImage, _ layout: Layout) throws -> [Float] {
    let session = try session(
      PlanShape(width: tile.width, height: tile.height),
      .banded(keepsValues: layout.keepsValues))
    try session.plan.write(tile.pixels, to: session.recording.input)
    try session.plan.run()
    return try session.plan.read(session.recording.output)
  }

  private func session(_ shape: PlanShape, _ execution: Execution) throws -> Session {
    if let session, session.shape == shape, session.execution == execution { return session }
    // The old plan's memory goes back before the new one's is taken.
    session = nil
    let recording = model.record(
      height: shape.height, width: shape.width, execution: execution)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    let made = Session(
      shape: shape, execution: execution, recording: recording, plan: plan)
    session = made
    return made
  }
}

/// A byte count for people: `3.2 GB`, `640 MB`.
public func gigabytes(_ bytes: Int) -> String {
  let value = Double(bytes) / 1e9
  return value >= 1 ? String(format: "%.1f GB", value) : String(format: "%.0f MB", value * 1e3)
}
