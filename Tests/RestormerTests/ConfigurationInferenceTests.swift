import Restormer
import XCTest

/// The network is inferred from names and shapes alone; shapes of no network are an error, never a
/// crash.
final class ConfigurationInferenceTests: XCTestCase {
  private func shapes(_ configuration: ModelConfiguration) -> [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: RestormerModel(configuration).parameters.map {
        ($0.name, $0.officialShape)
      })
  }

  func testEveryOptionIsFoundAgain() throws {
    var configurations = [ModelConfiguration.paper, .compact, .tiny]
    for (expansion, heads) in [(2.0, [1, 2, 4, 8]), (3.0, [2, 2, 2, 2]), (1.5, [4, 8, 16, 32])] {
      for (bias, norm) in [(true, ModelConfiguration.Normalization.biasFree), (false, .withBias)] {
        var next = ModelConfiguration.tiny
        (next.expansion, next.heads, next.bias, next.normalization) = (expansion, heads, bias, norm)
        configurations.append(next)
        (next.inputChannels, next.outputChannels) = (1, 1)
        configurations.append(next)
        (next.inputChannels, next.outputChannels, next.dualPixel) = (6, 3, true)
        configurations.append(next)
      }
    }
    for configuration in configurations {
      XCTAssertEqual(
        try ModelConfiguration(inferredFrom: shapes(configuration)), configuration)
    }
  }

  /// The heads of the first level are then those of the refinement.
  func testLevelsMayHaveNoBlocks() throws {
    for level in 0..<4 {
      var configuration = ModelConfiguration.tiny
      configuration.heads = [2, 2, 4, 8]
      configuration.blocks[level] = 0
      if level > 0 { configuration.heads[level] = 1 }
      XCTAssertEqual(
        try ModelConfiguration(inferredFrom: shapes(configuration)), configuration)
    }
  }

  /// Safetensors may declare tensors without elements, whose extents then cost nothing.
  func testAbsurdShapesAreErrors() {
    let good = shapes(.tiny)
    let last = "latent.0.ffn.project_out.weight"
    for (name, shape) in [
      (last, [0, 5, 1, 1]), (last, [1, 1 << 62, 0, 0]), (last, [128, 1 << 62, 0, 0]),
      (last, [1, 65535, 1, 1]), ("x.ffn.project_out.weight", [0, 0, 1, 1]),
      ("patch_embed.proj.weight", [65534, 3, 3, 3]), ("patch_embed.proj.weight", [0, 3, 3, 3]),
      ("latent.0.attn.temperature", [3, 1, 1]), ("output.weight", [1 << 40, 32, 0, 0]),
    ] {
      let changed = good.merging([name: shape]) { $1 }
      XCTAssertThrowsError(try ModelConfiguration(inferredFrom: changed), "\(name) \(shape)")
    }
  }

  /// One small tensor must not stand for a block of a hundred.
  func testBlocksNeedTheirTensors() {
    let many = (0..<5000).map { ("latent.\($0).attn.temperature", [8, 1, 1]) }
    let changed = shapes(.tiny).merging(many) { $1 }
    XCTAssertThrowsError(try ModelConfiguration(inferredFrom: changed)) {
      XCTAssertTrue("\($0)".contains("more blocks"), "\($0)")
    }
  }

  func testADeclaredNormalisationMustBeWhole() throws {
    var state = ModelWeights.initialized(RestormerModel(.tiny), seed: 1).state
    for metadata in [
      ["restormer.mean": "0.5"], ["restormer.std": "0.5"],
      ["restormer.mean": "0.5,0.5", "restormer.std": "0.5,0.5"],
      ["restormer.mean": "0.5", "restormer.std": "0"],
      ["restormer.mean": "half", "restormer.std": "1"],
    ] {
      state.metadata = metadata
      XCTAssertThrowsError(try ModelWeights(state), "\(metadata)")
    }
    state.metadata = ["restormer.mean": "0.5, 0.4, 0.3", "restormer.std": "0.5, 0.5, 0.5"]
    XCTAssertEqual(try ModelWeights(state).normalization.mean, [0.5, 0.4, 0.3])
  }
}
