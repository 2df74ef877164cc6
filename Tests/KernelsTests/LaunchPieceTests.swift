import CLBackend
import Foundation
import Kernels
import TestSupport
import XCTest

/// Long launches come in pieces, and pieces change nothing.
final class LaunchPieceTests: XCTestCase {
  /// Every operator, its launches cut as far as kernels allow, gives the bits that whole launches
  /// give.
  func testPiecesGiveTheSameBits() throws {
    let device = try Device.gpuShaped()
    // A few KB or thousand operations: small cases come in a handful of pieces.
    let cut = device.cutting(launchesAbove: 2e-6)
    for (index, check) in OpCatalog.cases.enumerated() where check.isTiny {
      let inputs = check.randomInputs(seed: UInt64(index))
      let whole = try OpCheck.evaluate(check, inputs: inputs, on: device)
      let pieces = try OpCheck.evaluate(check, inputs: inputs, on: cut)
      XCTAssertEqual(pieces.violations, [], check.op.name)
      XCTAssertEqual(
        pieces.outputs.map { $0.map(\.bitPattern) }, whole.outputs.map { $0.map(\.bitPattern) },
        "\(check.op.name) \(check.label)")
    }
  }

  /// Pieces have all groups of the whole between them, each once, and none takes too long.
  func testPiecesCoverTheWhole() throws {
    let launch = try addition()
    let groups = launch.groups(along: 0)
    for limit in [0.5, 0.25, 0.0625] {
      let pieces = launch.pieces(atMost: limit * launch.secondsOnWeakGPU)
      XCTAssertEqual(Double(pieces.count), 1 / limit)
      XCTAssertEqual(pieces.reduce(0) { $0 + $1.groups(along: 0) }, groups)
      XCTAssertEqual(pieces.reduce(0) { $0 + $1.bytes }, launch.bytes, accuracy: 1)
      var next = 0
      for piece in pieces {
        XCTAssertEqual(piece.offset, [next, 0, 0])
        next += piece.global[0]
      }
    }
    XCTAssertEqual(launch.pieces(atMost: launch.secondsOnWeakGPU).count, 1)
  }

  /// One plane of 200 x 640 elements, 2000 groups.
  private func addition() throws -> Launch {
    let device = try Device.gpuShaped()
    let shape = Shape(1, 1, 200, 640)
    let views = try (0..<3).map { _ in
      TensorView(try device.makeStorage(count: shape.count), offset: 0, shape: shape)
    }
    let launches = try device.bind(Add(), Array(views[..<2]), into: [views[2]], scratch: [])
    return try XCTUnwrap(launches.first)
  }

  /// Which dimensions may be cut is read from the kernels: they have to ask in plain numbers, and
  /// helpers must not ask at all.
  func testKernelsAskForExtentsInPlainNumbers() {
    XCTAssertEqual(KernelSource.askedDimensions["sum_of_squares"], [0, 1])
    XCTAssertEqual(KernelSource.askedDimensions["layer_norm_backward_weight"], [1])
    XCTAssertNil(KernelSource.askedDimensions["attention_gram_tiles"])
    XCTAssertNil(KernelSource.askedDimensions["conv1x1_tiles"])
    let text = KernelSource.text.split(separator: "\n").filter { !$0.hasPrefix("//") }
      .joined(separator: "\n")
    for (place, body) in text.components(separatedBy: "__kernel ").enumerated() {
      let kernel = place == 0 ? "" : body.components(separatedBy: "\n}")[0]
      for question in ["get_num_groups(", "get_global_size("] {
        XCTAssertEqual(
          body.components(separatedBy: question).count,
          kernel.components(separatedBy: question).count, "outside a kernel: \(body.prefix(80))")
        for rest in kernel.components(separatedBy: question).dropFirst() {
          XCTAssertNotNil(rest.first?.wholeNumberValue, "\(question)\(rest.prefix(20))")
        }
      }
    }
  }
}

/// How sums over pixels are shared out among the groups of GPUs of many sizes.
final class PixelProductsTests: XCTestCase {
  /// Twice as many groups as compute units, or as many slices as the pixels allow and the smallest
  /// tiles; every pixel in one slice.
  func testGroupsForEveryUnit() {
    for units in [1, 8, 24, 64, 132, 304] {
      var traits = DeviceTraits(.gpu)
      traits.computeUnits = units
      for (left, right, pixels, copies) in [
        (48, 48, 65_536, 1), (48, 48, 1024, 8), (144, 48, 16_384, 1), (48, 127, 16_384, 1),
        (1152, 384, 256, 1), (48, 48, 256, 8), (9, 6, 3350, 2), (3, 3, 1, 1), (384, 1021, 4096, 1),
      ] {
        let products = PixelProducts(left, right, pixels: pixels, copies: copies, on: traits)
        let groups = products.rows * products.columns * products.slices * copies
        XCTAssertTrue(
          groups >= 2 * units
            || products.length == PixelProducts.shortest && products.rows >= (left + 15) / 16,
          "\(left) x \(right) over \(pixels) on \(units): \(products)")
        XCTAssertLessThanOrEqual((products.slices - 1) * products.length, pixels - 1)
        XCTAssertGreaterThanOrEqual(products.slices * products.length, pixels)
      }
    }
  }

  /// Attention over 16x16 pixels has few slices: smaller tiles keep a large GPU busy, and a small
  /// one keeps the tile that takes the fewest instructions.
  func testSmallTilesWhereSlicesAreFew() {
    var traits = DeviceTraits(.gpu)
    for (units, tiles) in [(8, 1), (132, 9)] {
      traits.computeUnits = units
      let products = PixelProducts(48, 48, pixels: 256, copies: 8, on: traits)
      XCTAssertEqual(products.rows * products.columns, tiles, "\(units) units: \(products)")
    }
    // Tiles of 16 would leave nothing over, but take twice the instructions.
    XCTAssertEqual(PixelProducts(127, 48, pixels: 16_384, on: traits).rows, 3)
  }

  /// The weight gradient of a 3x3 convolution likewise: slices where its channels are few, none
  /// where they are many.
  func testGroupsForTheWeightsOfConvolutions() {
    var traits = DeviceTraits(.gpu)
    traits.computeUnits = 108
    for (x, outputs) in [
      (Shape(1, 3, 128, 128), 48), (Shape(8, 48, 64, 64), 24), (Shape(1, 96, 101, 67), 3),
    ] {
      let sums = ConvolutionSums(x, outputs: outputs, on: traits)
      XCTAssertGreaterThanOrEqual(sums.tiles * sums.slices, 2 * 108, "\(x) to \(outputs)")
    }
    XCTAssertEqual(ConvolutionSums(Shape(1, 384, 64, 64), outputs: 768, on: traits).slices, 1)
    XCTAssertEqual(ConvolutionSums(Shape(1, 3, 1, 1), outputs: 4, on: traits).slices, 1)
  }

  /// The partial sums of a large weight would be felt: it has groups enough without slices.
  func testLargeWeightsAreNotSliced() {
    var traits = DeviceTraits(.gpu)
    traits.computeUnits = 48
    XCTAssertEqual(PixelProducts(1152, 384, pixels: 65_536, on: traits).slices, 1)
  }
}
