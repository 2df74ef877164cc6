import Kernels
import TestSupport
import XCTest

/// Blocks in bands of rows against the composition of whole operators, on both backends.
final class BandTests: XCTestCase {
  /// Channels, height, width, heads; with small bands the larger ones are cut into many.
  private let sizes = [
    (4, 1, 1, 1), (8, 40, 24, 2), (12, 33, 70, 3), (6, 90, 16, 1), (16, 64, 128, 2),
  ]

  func testAttentionInBandsIsTheComposition() throws {
    for (c, h, w, heads) in sizes {
      for (bias, keepsValues) in [(false, true), (true, true), (true, false), (false, false)] {
        let shapes =
          [.vector(c)] + (bias ? [.vector(c)] : [])
          + convolutions([(3 * c, c, 1), (3 * c, 1, 3), (c, c, 1)], bias: bias) + [.vector(heads)]
        let parameterCount = bias ? 2 : 1
        try check(Shape(1, c, h, w), shapes, "attention \(c)x\(h)x\(w), \(heads) heads") {
          graph, x, p in
          let groups = (0..<4).map { Array(p[$0 * parameterCount..<($0 + 1) * parameterCount]) }
          return graph.attentionBlock(
            x, norm: groups[0], qkv: groups[1], depthwise: groups[2], output: groups[3],
            temperature: p[4 * parameterCount], keepsValues: keepsValues)
        } composition: { graph, x, p in
          let groups = (0..<4).map { Array(p[$0 * parameterCount..<($0 + 1) * parameterCount]) }
          let norm = graph.layerNorm(x, weight: groups[0][0], bias: bias ? groups[0][1] : nil)
          let qkv = graph.depthwiseConv(
            graph.conv1x1(norm, weight: groups[1][0], bias: bias ? groups[1][1] : nil),
            weight: groups[2][0], bias: bias ? groups[2][1] : nil)
          let attended = graph.channelAttention(
            qkv, temperature: p[4 * parameterCount], heads: heads)
          return graph.conv1x1(
            attended, weight: groups[3][0], bias: bias ? groups[3][1] : nil, residual: x)
        }
      }
    }
  }

  func testFeedForwardInBandsIsTheComposition() throws {
    for (c, h, w, _) in sizes {
      for bias in [false, true] {
        let k = 2 * c + 1
        let shapes =
          [.vector(c)] + (bias ? [.vector(c)] : [])
          + convolutions([(2 * k, c, 1), (2 * k, 1, 3), (c, k, 1)], bias: bias)
        let count = bias ? 2 : 1
        try check(Shape(1, c, h, w), shapes, "feed-forward \(c)x\(h)x\(w)") { graph, x, p in
          let groups = (0..<4).map { Array(p[$0 * count..<($0 + 1) * count]) }
          return graph.feedForwardBlock(
            x, norm: groups[0], input: groups[1], depthwise: groups[2], output: groups[3])
        } composition: { graph, x, p in
          let groups = (0..<4).map { Array(p[$0 * count..<($0 + 1) * count]) }
          let norm = graph.layerNorm(x, weight: groups[0][0], bias: bias ? groups[0][1] : nil)
          let both = graph.depthwiseConv(
            graph.conv1x1(norm, weight: groups[1][0], bias: bias ? groups[1][1] : nil),
            weight: groups[2][0], bias: bias ? groups[2][1] : nil)
          return graph.conv1x1(
            graph.geluGate(both), weight: groups[3][0], bias: bias ? groups[3][1] : nil,
            residual: x)
        }
      }
    }
  }

  private func convolutions(_ sizes: [(out: Int, input: Int, kernel: Int)], bias: Bool) -> [Shape] {
    sizes.flatMap {
      [Shape($0.out, $0.input, $0.kernel, $0.kernel)] + (bias ? [.vector($0.out)] : [])
    }
  }

  /// Runs both on every backend, the banded one in place of a copy of `x`, with bands of few and of many rows.
  private func check(
    _ x: Shape, _ parameters: [Shape], _ title: String,
    banded: (Graph, Tensor, [Tensor]) -> Tensor, composition: (Graph, Tensor, [Tensor]) -> Tensor
  ) throws {
    var generator = SplitMix64(seed: UInt64(x.count))
    let values = ([x] + parameters).map { shape in
      (0..<shape.count).map { _ in 2 * generator.nextUnit() - 1 }
    }
    let whole = try run(x, parameters, values, on: CPUBackend(), composition)
    let onCPU = try run(x, parameters, values, on: CPUBackend(), banded)
    XCTAssertLessThan(OpCheck.relativeError(onCPU, whole), 1e-5, "\(title), CPU")
    for backend in [try Device.shared(), try Device.gpuShaped(), try Device.smallBands()] {
      let found = try run(x, parameters, values, on: backend, banded)
      XCTAssertLessThan(OpCheck.relativeError(found, whole), 1e-5, "\(title), \(backend.name)")
    }
  }

  private func run<B: Backend>(
    _ x: Shape, _ parameters: [Shape], _ values: [[Float]], on backend: B,
    _ record: (Graph, Tensor, [Tensor]) -> Tensor
  ) throws -> [Float] {
    let graph = Graph()
    let placeholders = ([x] + parameters).map(graph.placeholder)
    // The sum is read by nobody else, so that the block may overwrite it.
    let zero = graph.placeholder(x)
    let copy = graph.add(placeholders[0], zero)
    let y = record(graph, copy, Array(placeholders.dropFirst()))
    let plan = try Plan(graph, keeping: [y], on: backend)
    for (tensor, values) in zip(placeholders, values) { try plan.write(values, to: tensor) }
    try plan.write([Float](repeating: 0, count: x.count), to: zero)
    try plan.run()
    return try plan.read(y)
  }
}
