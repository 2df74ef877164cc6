import Basics
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
      for bias in [false, true] {
        let half = BlockHalf.attention(heads: heads, normBias: bias, bias: bias)
        for saving in [MemorySaving.bands, .values] {
          try check(half, Shape(1, c, h, w), saving, made: "AttentionBlock")
        }
      }
    }
  }

  /// Windows as large as the image, of several bands, of a part of one, of single rows and of
  /// single pixels; cells with fewer pixels than channels; two bands on the CPU backend too.
  func testLocalAttentionInBandsIsTheComposition() throws {
    for (index, sizes) in [
      (Shape(1, 4, 1, 1), 1, (5, 5)), (Shape(2, 8, 40, 24), 2, (17, 9)),
      (Shape(1, 12, 33, 70), 3, (33, 16)), (Shape(1, 12, 33, 70), 3, (3, 7)),
      (Shape(1, 6, 90, 16), 1, (1, 50)), (Shape(1, 6, 9, 5), 2, (1, 1)),
      (Shape(2, 16, 64, 90), 2, (20, 48)), (Shape(1, 96, 60, 64), 2, (21, 40)),
    ].enumerated() {
      let (x, heads, window) = sizes
      let half = BlockHalf.attention(
        heads: heads, normBias: index % 2 == 0, bias: index % 3 > 0, window: window)
      for saving in [MemorySaving.bands, .values] {
        try check(half, x, saving, made: "AttentionBlock")
      }
    }
  }

  /// Sums lie by cells and slices, whose number does not depend on who adds them up.
  func testLocalAttentionDoesNotDependOnThreads() throws {
    defer { WorkerThreads.limit(to: .max) }
    let half = BlockHalf.attention(heads: 2, normBias: true, bias: true, window: (21, 17))
    let shapes = [Shape(1, 24, 70, 50)] + half.parameterShapes(24)
    let values = OpCase(Fill(0, .scalar), shapes).randomInputs(seed: 8)
    let results = try [1, 2, 3, 7].map { threads in
      WorkerThreads.limit(to: threads)
      return try run(half, shapes, values, .bands, made: "AttentionBlock", on: CPUBackend())
    }
    for other in results.dropFirst() { XCTAssertEqual(other, results[0]) }
  }

  func testFeedForwardInBandsIsTheComposition() throws {
    for (c, h, w, _) in sizes {
      for bias in [false, true] {
        let half = BlockHalf.feedForward(normBias: bias, bias: bias)
        try check(half, Shape(1, c, h, w), .bands, made: "FeedForwardBlock")
      }
    }
  }

  /// A run can be told to stop between bands, not only between blocks: those of large pictures take
  /// minutes.
  func testARunIsToldOfBetweenBands() throws {
    // More cores are done sooner, and wait for each other less often.
    defer { WorkerThreads.limit(to: .max) }
    WorkerThreads.limit(to: 2)
    let half = BlockHalf.feedForward(normBias: false, bias: false)
    let graph = Graph()
    let shapes = [Shape(1, 16, 900, 500)] + half.parameterShapes(16)
    let inputs = shapes.map(graph.placeholder)
    let output = half.record(graph, inputs[0], Array(inputs.dropFirst()))
    let backend = CPUBackend()
    graph.lower(
      for: LoweringTarget(backend.traits, .inference, saving: .bands, rules: .all),
      keeping: [output])
    let plan = try Plan(graph, keeping: [output], on: backend)
    var told: [Double] = []
    try plan.run { told.append($0) }
    XCTAssertGreaterThan(told.count, 10)
    XCTAssertEqual(told, told.sorted())
    XCTAssertEqual(try XCTUnwrap(told.last), 1, accuracy: 1e-9)
  }

  /// Runs both on every backend, the banded one in place of a copy of `x`, with bands of few and of
  /// many rows.
  private func check(
    _ half: BlockHalf, _ x: Shape, _ saving: MemorySaving, made name: String
  ) throws {
    let shapes = [x] + half.parameterShapes(x.c)
    var generator = SplitMix64(seed: UInt64(x.count))
    let values = shapes.map { shape in
      (0..<shape.count).map { _ in 2 * generator.nextUnit() - 1 }
    }
    let whole = try run(half, shapes, values, nil, made: "Conv1x1", on: CPUBackend())
    func compare(on backend: some Backend) throws {
      let found = try run(half, shapes, values, saving, made: name, on: backend)
      XCTAssertLessThan(
        OpCheck.relativeError(found, whole), 1e-5, "\(half) \(x), \(saving), \(backend.name)")
    }
    try compare(on: CPUBackend())
    for backend in [try Device.shared(), try Device.gpuShaped(), try Device.smallBands()] {
      try compare(on: backend)
    }
  }

  private func run<B: Backend>(
    _ half: BlockHalf, _ shapes: [Shape], _ values: [[Float]], _ saving: MemorySaving?,
    made name: String, on backend: B
  ) throws -> [Float] {
    let graph = Graph()
    let placeholders = shapes.map(graph.placeholder)
    // The sum is read by nobody else, so that the block may overwrite it.
    let zero = graph.placeholder(shapes[0])
    let copy = graph.add(placeholders[0], zero)
    let y = half.record(graph, copy, Array(placeholders.dropFirst()))
    if let saving {
      graph.lower(
        for: LoweringTarget(backend.traits, .inference, saving: saving, rules: .all), keeping: [y])
      XCTAssertEqual(graph.nodes.last?.op.name, name)
    }
    let plan = try Plan(graph, keeping: [y], on: backend)
    for (tensor, values) in zip(placeholders, values) { try plan.write(values, to: tensor) }
    try plan.write([Float](repeating: 0, count: shapes[0].count), to: zero)
    try plan.run()
    return try plan.read(y)
  }
}
