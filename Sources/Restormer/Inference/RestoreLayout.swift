import Foundation
import Kernels

/// How an image is cut and carried out.
public struct RestoreLayout: Sendable, Equatable {
  /// The side of the tiles; nil for the whole image at once.
  public let side: Int?
  /// How far the plan goes to fit into memory.
  public let saving: MemorySaving

  /// Tiles of `side`, or the whole image, saving so much.
  package init(side: Int?, saving: MemorySaving) { (self.side, self.saving) = (side, saving) }
}

/// Rows and columns of what the network runs over at once.
struct PlanShape: Hashable {
  let width: Int
  let height: Int

  /// A shape whose sides are rounded up to what the network takes.
  init(width: Int, height: Int) {
    let unit = RestormerModel.sizeMultiple
    (self.width, self.height) = (roundUp(width, unit), roundUp(height, unit))
  }

  /// The longer side.
  var longest: Int { max(width, height) }

  /// The largest tile of at most `side`.
  func tile(_ side: Int) -> PlanShape {
    PlanShape(width: min(side, width), height: min(side, height))
  }
}

/// Chooses how images are cut, so that what runs at once fits a device's memory.
struct LayoutChooser<B: Backend> {
  let model: RestormerModel
  let backend: B
  let options: RestoreOptions
  /// Bytes of the machine's own memory that an image takes.
  let hostNeed: (PlanShape) -> Int
  /// How plans store activations.
  var precision = Precision.float {
    didSet { if precision != oldValue { known = [:] } }
  }
  /// Bytes that plans may take.
  private var room: Int
  private var known: [PlanShape: RestoreLayout] = [:]

  /// Plans may take what is left of the device's memory.
  init(
    _ model: RestormerModel, _ options: RestoreOptions, on backend: B,
    hostNeed: @escaping (PlanShape) -> Int
  ) {
    (self.model, self.options, self.backend, self.hostNeed) = (model, options, backend, hostNeed)
    room = backend.memory.total - backend.bytesInUse
  }

  /// What the plan of one run takes.
  /// - Throws: `RuleError`.
  func need(_ shape: PlanShape, _ saving: MemorySaving) throws -> MemoryNeed {
    let recording = try model.inference(
      height: shape.height, width: shape.width, saving: saving, precision: precision,
      on: backend.traits, rules: .inForce)
    return MemoryPlan(
      recording.graph, keeping: [recording.output], external: recording.parameters, on: backend
    ).need
  }

  /// How an image is cut: whole if it fits, saving as little memory as must be, else in tiles.
  /// - Parameter note: hears of tiles that are smaller than was asked for.
  /// - Throws: `RestoreError` when nothing fits the device.
  mutating func layout(_ image: PlanShape, note: (String) -> Void) throws -> RestoreLayout {
    if let layout = known[image] { return layout }
    let layout =
      switch options.tile {
      case .whole: try whole(image)
      case .automatic: try largest(image, side: image.longest, note)
      case .pixels(let side): try largest(image, side: min(side, image.longest), note)
      }
    known[image] = layout
    return layout
  }

  /// A device that has less memory than it says, or lends it to others, is asked for less: half of
  /// what was too much.
  /// - Throws: `error` where nothing smaller is left.
  mutating func shrink(
    _ image: PlanShape, from layout: RestoreLayout, after error: any Error, note: (String) -> Void
  ) throws {
    let need = try need(image.tile(layout.side ?? image.longest), layout.saving)
    room = min(room, need.total) / 2
    known = [:]
    guard let next = try? self.layout(image, note: note), next != layout else { throw error }
    let how = next.side.map { "tiles of \($0)" } ?? "a plan that saves memory"
    note("the device is out of memory: going on with \(how)")
  }

  /// Whether a run fits `room` bytes, no allocation larger than the device allows.
  private func fits(_ shape: PlanShape, _ saving: MemorySaving, room: Int) throws -> Bool {
    let need = try need(shape, saving)
    return need.total <= room && need.largest <= backend.memory.allocation
  }

  /// The least that must be saved for a run to fit `room` bytes, if that can be done.
  private func leastSaving(_ shape: PlanShape, room: Int) throws -> MemorySaving? {
    try MemorySaving.allCases.first { try fits(shape, $0, room: room) }
  }

  /// The least that must be saved for a run over `shape`.
  /// - Throws: `RestoreError` where none of it suffices.
  func saving(_ shape: PlanShape) throws -> MemorySaving {
    if let saving = try leastSaving(shape, room: room) { return saving }
    throw RestoreError(
      "tiles of \(shape.width)x\(shape.height) need \(shortage(try need(shape, .values))) in "
        + "float, \(gigabytes(room)) are left: --precision float takes smaller ones")
  }

  private func whole(_ image: PlanShape) throws -> RestoreLayout {
    if let saving = try leastSaving(image, room: room) {
      return RestoreLayout(side: nil, saving: saving)
    }
    throw RestoreError(
      "\(image.width)x\(image.height) at once needs \(shortage(try need(image, .values))), "
        + "\(gigabytes(room)) are left: use tiles (--tile auto)")
  }

  private func shortage(_ need: MemoryNeed) -> String {
    "\(gigabytes(need.total)) of memory, \(gigabytes(need.largest)) of it in one piece; "
      + "\(backend.name) offers \(gigabytes(backend.memory.total)) in pieces of "
      + gigabytes(backend.memory.allocation)
  }

  /// The whole image if it is no larger than `side` and fits, else tiles of at most `side`.
  private func largest(
    _ image: PlanShape, side: Int, _ note: (String) -> Void
  ) throws -> RestoreLayout {
    // Where the network runs in the machine's own memory, the image lies there too.
    let room = backend.memory.isHost ? room - hostNeed(image) : room
    func holds(_ side: Int) throws -> Bool { try fits(image.tile(side), .bands, room: room) }
    let isWhole = side >= image.longest
    if try isWhole || holds(side), let saving = try leastSaving(image.tile(side), room: room) {
      return RestoreLayout(side: isWhole ? nil : side, saving: saving)
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
      let need = try need(image.tile(smallest), .bands)
      throw RestoreError(
        "the smallest tile, \(smallest)x\(smallest), needs \(shortage(need)), "
          + "\(gigabytes(max(0, room))) are left for a picture of \(image.width)x\(image.height)")
    }
    if case .pixels = options.tile {
      note("tiles of \(side) do not fit the device's memory: taking tiles of \(8 * low)")
    }
    return RestoreLayout(
      side: 8 * low, saving: try leastSaving(image.tile(8 * low), room: room) ?? .bands)
  }
}

/// A byte count for people: `3.2 GB`, `640 MB`.
package func gigabytes(_ bytes: Int) -> String {
  let value = Double(bytes) / 1e9
  return value >= 1 ? String(format: "%.1f GB", value) : String(format: "%.0f MB", value * 1e3)
}
