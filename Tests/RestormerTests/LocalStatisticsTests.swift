import Kernels
import Restormer
import TestSupport
import XCTest

/// Where attention takes its statistics from when images are restored.
final class LocalStatisticsTests: XCTestCase {
  private let weights = ModelWeights.initialized(RestormerModel(.tiny), seed: 3)
  private let image = PlanarImage(
    width: 48, height: 40, channels: 3,
    pixels: (0..<3 * 48 * 40).map { Float(($0 * 37) % 101) / 101 })

  private func restored(_ statistics: LocalStatistics, patch: String? = nil) throws -> [Float] {
    var weights = weights
    weights.metadata["restormer.patch"] = patch
    var options = RestoreOptions()
    options.localStatistics = statistics
    return try Restorer(weights, on: CPUBackend(), options: options).restore(image).pixels
  }

  func testWindowsChangeTheResultAndLargeOnesDoNot() throws {
    let whole = try restored(.off)
    XCTAssertNotEqual(try restored(.pixels(16)), whole)
    XCTAssertEqual(try restored(.pixels(48)), whole)
  }

  /// `auto` asks the weights for the patches of their training.
  func testAutomaticAsksTheWeights() throws {
    let whole = try restored(.off)
    XCTAssertEqual(try restored(.automatic), whole, "nothing known")
    XCTAssertEqual(try restored(.automatic, patch: "24"), whole, "no more than twice as large")
    XCTAssertEqual(try restored(.automatic, patch: "no number"), whole)
    XCTAssertEqual(try restored(.automatic, patch: "16"), try restored(.pixels(24)))
  }

  func testWindowsBelowTheCoarsestPixelAreRefused() throws {
    XCTAssertThrowsError(try restored(.pixels(4))) {
      XCTAssertTrue("\($0)".contains("local statistics of 4"), "\($0)")
    }
  }

  /// Windows run in bands as well: beside the plain network's memory there is a band on which all
  /// cores work, even where they are small and many.
  func testWindowsTakeThePlainNetworksMemory() throws {
    var model = RestormerModel(.tiny)
    func bytes(_ saving: MemorySaving) throws -> (plan: Int, launches: Int) {
      let recording = model.record(height: 96, width: 352)
      recording.graph.lower(
        for: LoweringTarget(.host, .inference, saving: saving, rules: .all),
        keeping: [recording.output])
      let names = Set(recording.graph.nodes.map(\.op.name))
      XCTAssertFalse(names.contains("LocalAttention") || names.contains("ChannelAttention"))
      let plan = try Plan(recording.graph, keeping: [recording.output], on: CPUBackend())
      return (plan.memory.bytes, recording.graph.nodes.count)
    }
    for saving in [MemorySaving.none, .values] {
      model.statistics = .wholeImage
      let plain = try bytes(saving)
      for side in [32, 192] {
        model.statistics = .windows(side, above: 0)
        let local = try bytes(saving)
        XCTAssertEqual(local.launches, plain.launches)
        XCTAssertLessThan(local.plan, plain.plan + 8 << 20, "windows of \(side)")
      }
    }
  }

  func testBothBackendsAgree() throws {
    var options = RestoreOptions()
    options.localStatistics = .pixels(24)
    let device = try Restorer(weights, on: Device.shared(), options: options).restore(image)
    XCTAssertLessThan(OpCheck.relativeError(device.pixels, try restored(.pixels(24))), 2e-5)
  }
}
