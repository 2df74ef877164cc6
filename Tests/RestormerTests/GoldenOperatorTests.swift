import Kernels
import Restormer
import TestSupport
import XCTest

/// Operators and blocks against values recorded from the official implementation (golden case 03):
/// output, input gradient and every weight gradient, on all backends.
final class GoldenOperatorTests: XCTestCase {
  private static let name = "03_ops"
  /// Records a module under the names of its own state dict.
  private typealias Module = (Layers, Tensor, ParameterScope) -> Tensor

  private var compared = 0

  override func tearDown() { XCTAssertGreaterThan(compared, 0, "no recording was compared") }

  func testLayerNorms() throws {
    for kind in ["WithBias", "BiasFree"] {
      let module: Module = { $0.layerNorm($1, $2) }
      try check("layernorm_\(kind)", norm: kind, module)
      // A variance far below epsilon: PyTorch's own float32 is 1.6e-5 off.
      try check("layernorm_\(kind)_lowvar", norm: kind, forward: 5e-5, module)
    }
  }

  func testConvolutions() throws {
    for bias in [false, true] {
      let suffix = bias ? "True" : "False"
      let channels = try outputChannels("conv1x1_bias\(suffix)")
      try check("conv1x1_bias\(suffix)", bias: bias) { $0.conv1x1($1, channels, $2) }
      let wide = try outputChannels("conv3x3_bias\(suffix)")
      try check("conv3x3_bias\(suffix)") { $0.conv3x3($1, wide, $2, bias: bias) }
      try check("dwconv3x3_bias\(suffix)", bias: bias) { $0.depthwise($1, $2) }
    }
    try check("conv3x3_1x1") { $0.conv3x3($1, 4, $2, bias: true) }
    for size in ["1x1", "1x9", "2x2", "9x1"] {
      let file = try Golden.tensors(Self.name, "dwconv3x3_\(size).safetensors")
      try check("dwconv3x3_\(size)", bias: file["w.bias"] != nil) { $0.depthwise($1, $2) }
    }
  }

  func testAttention() throws {
    for heads in [1, 3] {
      for size in ["odd", "bigHW", "smallHW"] {
        try check("mdta_h\(heads)_\(size)") {
          $0.attention($1, heads: heads, $2)
        }
      }
    }
    try check("mdta_h3_bias", bias: true) { $0.attention($1, heads: 3, $2) }
    try check("mdta_h1_bias_1x1", bias: true) { $0.attention($1, heads: 1, $2) }
  }

  func testFeedForwardAndResampling() throws {
    try check("gdfn_biasFalse") { $0.feedForward($1, $2) }
    try check("gdfn_biasTrue", bias: true) { $0.feedForward($1, $2) }
    try check("downsample") { $0.downsample($1, $2) }
    try check("upsample") { $0.upsample($1, $2) }
    try check("pixelshuffle2") { layers, x, _ in layers.graph.pixelShuffle(x) }
    try check("pixelunshuffle2") { layers, x, _ in layers.graph.pixelUnshuffle(x) }
  }

  func testBlocks() throws {
    try check("block_WithBias_biasFalse") { $0.block($1, heads: 2, $2) }
    let manifest = try Golden.manifest(Self.name)
    let ops = try XCTUnwrap(manifest["ops"] as? [String: [String: Any]])
    let heads = ops["block_BiasFree_biasTrue"]?["num_heads"] as? Int ?? 2
    try check("block_BiasFree_biasTrue", bias: true, norm: "BiasFree") {
      $0.block($1, heads: heads, $2)
    }
  }

  /// The channels of a recording's output; 0 for one that is not in the copy in use.
  private func outputChannels(_ file: String) throws -> Int {
    guard Golden.holds(Self.name, file + ".safetensors") else { return 0 }
    return try XCTUnwrap(Golden.tensors(Self.name, file + ".safetensors")["y"]).shape[1]
  }

  private func check(
    _ file: String, bias: Bool = false, norm: String = "WithBias", forward: Double = 1e-5,
    _ module: Module
  ) throws {
    guard Golden.holds(Self.name, file + ".safetensors") else { return }
    compared += 1
    let expected = try Golden.tensors(Self.name, file + ".safetensors")
    var configuration = ModelConfiguration()
    configuration.bias = bias
    configuration.normalization = ModelConfiguration.Normalization(rawValue: norm) ?? .withBias
    try check(file, expected, configuration, forward, module, on: CPUBackend())
    if let device = try? Device.shared() {
      try check(file, expected, configuration, forward, module, on: device)
      try check(file, expected, configuration, forward, module, on: Device.gpuShaped())
    }
  }

  private func check<B: Backend>(
    _ file: String, _ expected: StateDict, _ configuration: ModelConfiguration, _ forward: Double,
    _ module: Module, on backend: B
  ) throws {
    let graph = Graph()
    let recorder = ParameterRecorder(graph: graph)
    let input = try XCTUnwrap(expected["x"])
    let x = graph.placeholder(
      Shape(input.shape[0], input.shape[1], input.shape[2], input.shape[3]))
    let y = module(
      Layers(graph: graph, configuration: configuration), x, ParameterScope(recorder))
    let seed = graph.placeholder(y.shape)
    let gradients = graph.gradients(
      from: [GradientSeed(y, gradient: seed)], wrt: [x] + recorder.tensors)
    let plan = try Plan(graph, keeping: [y] + gradients.compactMap { $0 }, on: backend)
    try plan.write(input.values, to: x)
    try plan.write(XCTUnwrap(expected["gy"]).values, to: seed)
    for (spec, tensor) in zip(recorder.specs, recorder.tensors) {
      try plan.write(
        XCTUnwrap(expected["w." + spec.name], "\(file): \(spec.name)").values, to: tensor)
    }
    try plan.run()
    let names = ["y", "gx"] + recorder.specs.map { "g." + $0.name }
    for (name, tensor) in zip(names, [y] + gradients) {
      let found = try plan.read(XCTUnwrap(tensor, "\(file): no gradient \(name)"))
      let error = OpCheck.relativeError(found, try XCTUnwrap(expected[name]).values)
      XCTAssertLessThan(error, name == "y" ? forward : 1e-4, "\(file) \(name) on \(backend.name)")
    }
  }
}
