import Kernels
import Restormer
import TestSupport
import XCTest

/// Tiling, padding, orientation and normalisation around the network.
final class RestoringTests: XCTestCase {
  private func restorer(
    tile: TileSize, overlap: Int = 8, blend: TileBlend = .box, ensemble: Bool = false
  ) throws -> Restorer<CPUBackend> {
    var options = RestoreOptions()
    (options.tile, options.overlap, options.blend) = (tile, overlap, blend)
    options.ensemble = ensemble
    let weights = try ModelWeights(Golden.tensors("08_tiled", "weights.safetensors"))
    return try Restorer(weights, on: CPUBackend(), options: options)
  }

  private func sample() throws -> Image {
    let folder = try XCTUnwrap(Golden.directory("08_tiled"))
    return try Image(contentsOf: folder.appendingPathComponent("input.png").path)
  }

  func testTilesAgreeWithTheOfficialDemo() throws {
    let io = try Golden.tensors("08_tiled", "io.safetensors")
    let expected = try XCTUnwrap(io["tiled_output"]).values
    let found = try restorer(tile: .pixels(32)).restore(try sample()).picture
    let clamped = found.pixels.map { min(1, max(0, $0)) }
    XCTAssertLessThan(OpCheck.relativeError(clamped, expected), 2e-5)
  }

  func testTheWholeImageAgreesWithTheOfficialDemo() throws {
    let io = try Golden.tensors("08_tiled", "io.safetensors")
    let expected = try XCTUnwrap(io["whole_output"]).values
    let found = try restorer(tile: .whole).restore(try sample()).picture
    let clamped = found.pixels.map { min(1, max(0, $0)) }
    XCTAssertLessThan(OpCheck.relativeError(clamped, expected), 2e-5)
  }

  func testTheEnsembleIsTheMeanOfEightOrientations() throws {
    let image = try sample()
    let single = try restorer(tile: .whole)
    let planar = PlanarImage(
      width: image.width, height: image.height, channels: 3, pixels: image.pixels)
    var mean = [Float](repeating: 0, count: planar.pixels.count)
    for orientation in Symmetry.allCases {
      let turned = try single.restore(orientation.apply(to: planar))
      for (index, value) in orientation.undo(on: turned).pixels.enumerated() {
        mean[index] += value / 8
      }
    }
    let found = try restorer(tile: .whole, ensemble: true).restore(planar)
    XCTAssertLessThan(OpCheck.relativeError(found.pixels, mean), 1e-6)
  }

  /// Networks may take and give any number of channels; a picture has one or three.
  func testNetworksThatMakeNoPictureAreRefused() throws {
    for (taken, given, isPair) in [(6, 6, false), (3, 5, true), (4, 4, false), (1, 3, true)] {
      var configuration = ModelConfiguration.tiny
      (configuration.inputChannels, configuration.outputChannels) = (taken, given)
      configuration.dualPixel = isPair
      let weights = ModelWeights.initialized(RestormerModel(configuration), seed: 1)
      let restorer = try Restorer(weights, on: CPUBackend())
      let picture = Image(
        width: 8, height: 8, channels: 3, pixels: [Float](repeating: 0.5, count: 192))
      XCTAssertThrowsError(try restorer.restore(picture, right: isPair ? nil : picture)) {
        XCTAssertTrue("\($0)".contains("\(taken) channels and gives \(given)"), "\($0)")
      }
    }
  }

  func testOrientationsAreDistinctAndUndone() {
    let image = PlanarImage(width: 3, height: 2, channels: 1, pixels: [1, 2, 3, 4, 5, 6])
    let turned = Symmetry.allCases.map { $0.apply(to: image) }
    XCTAssertEqual(Set(turned.map { [Float($0.width)] + $0.pixels }).count, 8)
    for (orientation, picture) in zip(Symmetry.allCases, turned) {
      XCTAssertEqual(orientation.undo(on: picture).pixels, image.pixels)
    }
  }

  /// A network that adds nothing returns its input, whatever the tiling: weights sum to one
  /// everywhere.
  func testIdentityThroughEveryTiling() throws {
    let model = RestormerModel(.tiny)
    for (width, height) in [(1, 1), (37, 61), (64, 64), (5, 200)] {
      let pixels = (0..<3 * width * height).map { Float($0 % 251) / 250 }
      let image = PlanarImage(width: width, height: height, channels: 3, pixels: pixels)
      for blend in TileBlend.allCases {
        for tile in [TileSize.automatic, .whole, .pixels(16), .pixels(32)] {
          var options = RestoreOptions()
          (options.tile, options.overlap, options.blend) = (tile, 8, blend)
          let restorer = try Restorer(
            ModelWeights(model: model), on: CPUBackend(), options: options)
          let found = try restorer.restore(image)
          XCTAssertLessThan(OpCheck.relativeError(found.pixels, pixels), 1e-6)
        }
      }
    }
  }

  /// Data in [-1, 1]: the dark half must survive.
  func testNormalisationIsUndoneBeforeAnythingIsClamped() throws {
    let weights = ModelWeights(model: RestormerModel(.tiny), normalization: .symmetric)
    let image = PlanarImage(
      width: 8, height: 8, channels: 3, pixels: (0..<192).map { Float($0) / 191 })
    let found = try Restorer(weights, on: CPUBackend()).restore(image)
    XCTAssertLessThan(OpCheck.relativeError(found.pixels, image.pixels), 1e-6)
    let copy = try ModelWeights(weights.state)
    XCTAssertEqual(copy.normalization, .symmetric)
  }

  func testSmoothTilesLeaveNoSeam() throws {
    let image = try sample()
    let whole = try restorer(tile: .whole).restore(image).picture.pixels
    let smooth = try restorer(tile: .pixels(64), overlap: 24, blend: .smooth)
      .restore(image).picture.pixels
    // The largest step between neighbours across the picture must not grow where tiles meet.
    func steepest(_ pixels: [Float]) -> Float {
      var step: Float = 0
      for index in 1..<pixels.count where index % image.width != 0 {
        step = max(step, abs(pixels[index] - pixels[index - 1]))
      }
      return step
    }
    XCTAssertLessThan(steepest(smooth), steepest(whole) * 1.25)
  }

  func testImpossibleTilesAreRefused() {
    XCTAssertThrowsError(try restorer(tile: .pixels(20)))
    XCTAssertThrowsError(try restorer(tile: .pixels(32), overlap: 32))
  }
}

/// The CPU backend with the memory of a small device.
private final class SmallBackend: Backend {
  typealias Storage = CPUStorage
  typealias Step = CPUBackend.Step
  private let inner = CPUBackend()
  let traits = DeviceTraits.host
  let memory: MemoryBudget
  var bytesInUse: Int { inner.bytesInUse }
  private(set) var largestAllocation = 0

  init(allocation: Int, total: Int) {
    memory = MemoryBudget(memory: total, allocation: allocation, isHost: false)
  }

  var name: String { "small device" }

  func makeStorage(count: Int) throws -> CPUStorage {
    largestAllocation = max(largestAllocation, 4 * count)
    return try inner.makeStorage(count: count)
  }

  func scratch(_ op: any Op, _ inputs: [Shape]) -> [Int] { inner.scratch(op, inputs) }

  func bind(
    _ op: any Op, _ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]
  ) throws -> [Step] {
    try inner.bind(op, inputs, into: outputs, scratch: scratch)
  }

  func run(_ steps: [Step]) throws { try inner.run(steps) }

  func synchronize() throws { try inner.synchronize() }

  func measureCeilings() throws -> DeviceCeilings { try inner.measureCeilings() }

  func write(_ values: UnsafeBufferPointer<Float>, to view: CPUTensor) throws {
    try inner.write(values, to: view)
  }

  func read(_ view: CPUTensor, into values: UnsafeMutableBufferPointer<Float>) throws {
    try inner.read(view, into: values)
  }

  func startReading(_ view: CPUTensor, into values: UnsafeMutableBufferPointer<Float>) throws {
    try inner.startReading(view, into: values)
  }

  func fill(_ view: CPUTensor, with value: Float) throws { try inner.fill(view, with: value) }
}

extension RestoringTests {
  private func progress<B: Backend>(on backend: B) throws -> [Double] {
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 1)
    var options = RestoreOptions()
    options.tile = .whole
    let pixels = [Float](repeating: 0.5, count: 3 * 64 * 48)
    let image = PlanarImage(width: 64, height: 48, channels: 3, pixels: pixels)
    var seen: [Double] = []
    _ = try Restorer(weights, on: backend, options: options).restore(image) { seen.append($0) }
    return seen
  }

  /// The work within one whole image is told as it is done.
  func testProgressComesFromWithinAnImage() throws {
    var runs = [try progress(on: CPUBackend())]
    if let device = try? Device.shared() { runs.append(try progress(on: device)) }
    for seen in runs {
      XCTAssertGreaterThan(seen.count, 10)
      XCTAssertEqual(seen, seen.sorted())
      XCTAssertEqual(seen.last ?? 0, 1, accuracy: 1e-9)
      XCTAssertLessThan(seen.first ?? 1, 0.2)
    }
  }

  /// A device that caps single allocations, as most GPUs do: tiles are chosen so that no tensor
  /// exceeds the cap.
  func testTilesRespectTheLargestAllocation() throws {
    let pixels = (0..<3 * 400 * 240).map { Float($0 % 97) / 96 }
    let image = PlanarImage(width: 400, height: 240, channels: 3, pixels: pixels)
    let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 1)
    let small = SmallBackend(allocation: 4 << 20, total: 1 << 30)
    let restorer = try Restorer(weights, on: small)
    XCTAssertNotNil(try restorer.layout(width: 400, height: 240).side)
    let found = try restorer.restore(image)
    XCTAssertTrue(found.pixels.allSatisfy(\.isFinite))
    XCTAssertLessThanOrEqual(small.largestAllocation, 4 << 20)
    var options = RestoreOptions()
    options.tile = .whole
    XCTAssertThrowsError(try Restorer(weights, on: small, options: options).restore(image)) {
      XCTAssertTrue("\($0)".contains("in one piece"), "\($0)")
    }
  }
}
