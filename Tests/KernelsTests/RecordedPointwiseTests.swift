import Kernels
import Restormer
import TestSupport
import XCTest

/// Depthwise convolution, gate, pixel shuffles and losses against values recorded from PyTorch.
final class RecordedPointwiseTests: XCTestCase {
  func testDepthwiseConv() throws {
    let kinds = ["biasFalse", "biasTrue", "1x1", "1x9", "9x1", "2x2"]
    for name in try Golden.recordings(kinds.map { "dwconv3x3_\($0)" }, of: "03_ops") {
      try RecordedOperator(name: name) { graph, x, w in
        graph.depthwiseConv(x, weight: w["weight"]!, bias: w["bias"])
      }.run()
    }
  }

  /// GELU alone: a gate whose second half is one.
  func testGELU() throws {
    try RecordedOperator(name: "gelu_erf") { graph, x, _ in
      graph.geluGate(graph.concat(x, graph.fill(1, x.shape)))
    }.run()
  }

  func testFeedForward() throws {
    for name in try Golden.recordings(["gdfn_biasFalse", "gdfn_biasTrue"], of: "03_ops") {
      try RecordedOperator(name: name) { graph, x, w in
        let hidden = graph.conv1x1(x, weight: w["project_in.weight"]!, bias: w["project_in.bias"])
        let spread = graph.depthwiseConv(
          hidden, weight: w["dwconv.weight"]!, bias: w["dwconv.bias"])
        return graph.conv1x1(
          graph.geluGate(spread), weight: w["project_out.weight"]!, bias: w["project_out.bias"])
      }.run()
    }
  }

  func testPixelShuffles() throws {
    try RecordedOperator(name: "pixelshuffle2") { graph, x, _ in graph.pixelShuffle(x) }.run()
    try RecordedOperator(name: "pixelunshuffle2") { graph, x, _ in graph.pixelUnshuffle(x) }.run()
  }

  func testResampling() throws {
    try RecordedOperator(name: "downsample") { graph, x, w in
      graph.pixelUnshuffle(graph.conv3x3(x, weight: w["body.0.weight"]!))
    }.run()
    try RecordedOperator(name: "upsample") { graph, x, w in
      graph.pixelShuffle(graph.conv3x3(x, weight: w["body.0.weight"]!))
    }.run()
  }

  func testLosses() throws {
    let recording = try Golden.tensors("03_ops", "losses.safetensors")
    func values(_ name: String) throws -> [Float] { try XCTUnwrap(recording[name], name).values }
    let graph = Graph()
    let shape = Shape(2, 3, 9, 11)
    let (prediction, target) = (graph.placeholder(shape), graph.placeholder(shape))
    let means = graph.pixelLoss(.charbonnier(), prediction, target)
    let losses = [means.l1, means.mse]
    let gradients = try losses.map { loss in
      let seed = GradientSeed(loss, gradient: graph.fill(1, .scalar))
      return try XCTUnwrap(graph.gradients(from: [seed], wrt: [prediction])[0])
    }
    let feeds = [(prediction, try values("output")), (target, try values("target"))]
    let expected = try ["loss_l1", "loss_mse", "grad_output_l1", "grad_output_mse"].map(values)
    var runs = [try evaluate(graph, feeds, losses + gradients, on: CPUBackend())]
    if let device = try? Device.shared() {
      runs.append(try evaluate(graph, feeds, losses + gradients, on: device))
      runs.append(try evaluate(graph, feeds, losses + gradients, on: Device.gpuShaped()))
    }
    for results in runs {
      for (result, recorded) in zip(results, expected) {
        XCTAssertLessThanOrEqual(OpCheck.relativeError(result, recorded), 1e-6)
      }
    }
  }
}
