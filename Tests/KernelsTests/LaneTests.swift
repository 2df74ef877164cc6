import Basics
import Kernels
import TestSupport
import XCTest

/// Blocks of which every core takes bands of its own.
final class LaneTests: XCTestCase {
  /// Channels, height, width and heads: few rows and many, bands of one row, lanes of few bands.
  private let images = [
    (6, 1, 5, 1), (8, 16, 9, 2), (6, 33, 70, 1), (24, 70, 50, 2), (4, 200, 17, 1), (12, 61, 24, 3),
  ]

  func testAttentionDoesNotDependOnLanes() throws {
    for (index, (c, h, w, heads)) in images.enumerated() {
      let (normBias, bias) = (index % 2 == 0, index % 3 == 0)
      for keeps in [true, false] {
        let op = AttentionBlock(
          heads: heads, normBias: normBias, bias: bias, keepsValues: keeps)
        let weights = [
          Shape(3 * c, c, 1, 1), Shape(3 * c, 1, 3, 3), Shape(c, c, 1, 1),
        ]
        let x = Shape(2, c, h, w)
        let shapes = inputs(x, normBias: normBias, bias: bias, weights) + [.vector(heads)]
        try check(OpCase(op, shapes))
      }
    }
  }

  func testFeedForwardDoesNotDependOnLanes() throws {
    for (index, (c, h, w, _)) in images.enumerated() {
      let (normBias, bias) = (index % 2 == 1, index % 3 == 0)
      let op = FeedForwardBlock(normBias: normBias, bias: bias)
      let hidden = 2 * c + 1
      let weights = [
        Shape(2 * hidden, c, 1, 1), Shape(2 * hidden, 1, 3, 3), Shape(c, hidden, 1, 1),
      ]
      try check(OpCase(op, inputs(Shape(2, c, h, w), normBias: normBias, bias: bias, weights)))
    }
  }

  /// Every height from one row on: bands and lanes end at each possible place.
  func testEveryHeight() throws {
    let weights = [Shape(9, 3, 1, 1), Shape(9, 1, 3, 3), Shape(3, 3, 1, 1)]
    let op = AttentionBlock(heads: 1, normBias: true, bias: false, keepsValues: false)
    for height in 1...40 {
      let x = Shape(1, 3, height, 3)
      let shapes = inputs(x, normBias: true, bias: false, weights) + [.vector(1)]
      try check(OpCase(op, shapes))
    }
  }

  /// The steps of a large picture would take more memory than its rows.
  func testStepsAreMadeWhenTheirTurnComes() throws {
    let weights = [Shape(18, 4, 1, 1), Shape(18, 1, 3, 3), Shape(4, 9, 1, 1)]
    let shapes = inputs(Shape(1, 4, 400, 17), normBias: true, bias: false, weights)
    let op = FeedForwardBlock(normBias: true, bias: false)
    let backend = CPUBackend()
    for lanes in [1, 2, 3] {
      var sizes = BandSizes(elements: 1 << 20)
      (sizes.lanes, sizes.laneElements) = (lanes, 1)
      func tensors(_ shapes: [Shape]) throws -> [CPUTensor] {
        try shapes.map {
          CPUTensor(try backend.makeStorage(count: $0.count), offset: 0, shape: $0)
        }
      }
      let scratch = op.cpuScratch(shapes, sizes).map { Shape(1, 1, 1, $0) }
      let bound = try op.cpuSteps(
        tensors(shapes), into: tensors([shapes[0]]), scratch: tensors(scratch), sizes)
      XCTAssertLessThan(bound.count, 400 / lanes, "\(lanes) lanes of single rows")
    }
  }

  private func inputs(
    _ x: Shape, normBias: Bool, bias: Bool, _ weights: [Shape]
  ) -> [Shape] {
    [x, .vector(x.c)] + (normBias ? [.vector(x.c)] : [])
      + weights.flatMap { [$0] + (bias ? [.vector($0.n)] : []) }
  }

  /// One lane, several, more than there are cores; the result beside `x` and in its place.
  private func check(_ single: OpCase) throws {
    for elements in [1, 1 << 10, 1 << 14, 1 << 18] {
      let expected = try run(single, lanes: 1, elements, inPlace: false)
      XCTAssertTrue(expected.allSatisfy(\.isFinite), "\(single.op.name) \(single.inputs[0])")
      for lanes in [1, 2, 3, 7] {
        for inPlace in [false, true] {
          let found = try run(single, lanes: lanes, elements, inPlace: inPlace)
          XCTAssertTrue(
            found == expected,
            "\(single.op.name) \(single.inputs[0]), \(lanes) lanes, \(elements), \(inPlace)")
        }
      }
    }
  }

  private func run(
    _ single: OpCase, lanes: Int, _ elements: Int, inPlace: Bool
  ) throws -> [Float] {
    let backend = CPUBackend()
    let op = try XCTUnwrap(single.op as? any CompositeOp)
    var sizes = BandSizes(elements: 1 << 20)
    (sizes.lanes, sizes.laneElements) = (lanes, elements)
    func tensor(_ shape: Shape) throws -> CPUTensor {
      CPUTensor(try backend.makeStorage(count: shape.count), offset: 0, shape: shape)
    }
    let inputs = try single.inputs.map(tensor)
    for (view, values) in zip(inputs, single.randomInputs(seed: 5)) {
      try backend.write(values, to: view)
    }
    let output = try inPlace ? inputs[0] : tensor(single.inputs[0])
    let scratch = try op.cpuScratch(single.inputs, sizes).map { try tensor(Shape(1, 1, 1, $0)) }
    // What no step has written must not be read.
    for memory in scratch { try backend.fill(memory, with: .nan) }
    try backend.run(op.cpuSteps(inputs, into: [output], scratch: scratch, sizes))
    return try backend.read(output)
  }
}
