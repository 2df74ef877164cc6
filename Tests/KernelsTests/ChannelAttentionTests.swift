import Foundation
import Kernels
import TestSupport
import XCTest

final class ChannelAttentionTests: XCTestCase {
  func testAgainstDefinition() throws {
    for (heads, qkv) in [
      (1, Shape(2, 9, 1, 1)), (1, Shape(1, 3, 2, 40)), (2, Shape(1, 12, 3, 5)),
      (4, Shape(2, 24, 4, 4)), (8, Shape(1, 48, 3, 3)), (1, Shape(1, 21, 2, 9)),
    ] {
      try GradientCheck(
        inputs: [qkv, .vector(heads)], ranges: [.symmetric, .positive],
        record: { $0.channelAttention($1[0], temperature: $1[1], heads: heads) },
        reference: { AttentionReference($0[0], qkv, $0[1]).y }
      ).run("\(heads) heads, \(qkv)")
    }
  }

  /// The model's widths and many pixels: every output against double precision.
  func testManyChannelsAndPixels() throws {
    for (heads, qkv) in [
      (1, Shape(2, 144, 13, 17)), (8, Shape(1, 1152, 5, 7)), (2, Shape(1, 24, 256, 260)),
      (3, Shape(1, 90, 40, 33)), (1, Shape(16, 24, 3, 3)), (1, Shape(1, 288, 16, 20)),
    ] {
      let values = OpCase(Fill(0, .scalar), [qkv, .vector(heads)], [.symmetric, .positive])
        .randomInputs(seed: 11)
      let double = values.map { $0.map(Double.init) }
      let reference = AttentionReference(double[0], qkv, double[1])
      let expected = [reference.y, reference.weights, reference.cosines, reference.norms]
      for (name, results) in try forward(values, qkv, heads: heads) {
        for (index, pair) in zip(results, expected).enumerated() {
          let error = OpCheck.relativeError(pair.0, pair.1.map { Float($0) })
          XCTAssertLessThan(error, 5e-6, "\(name), \(heads) heads, \(qkv), output \(index)")
        }
      }
    }
  }

  /// What is no number stays none: a channel of q that has one gives none, the others do; every
  /// channel of q meets a channel of k that has one.
  func testNaNShows() throws {
    let qkv = Shape(1, 60, 4, 5)
    let graph = Graph()
    let inputs = [graph.placeholder(qkv), graph.placeholder(.vector(1))]
    let attention = graph.channelAttention(inputs[0], temperature: inputs[1], heads: 1)
    for (place, concerned) in [(3, 3..<4), (20 + 3, 0..<20)] {
      var values = OpCase(Fill(0, .scalar), [qkv]).randomInputs(seed: 4)[0]
      values[place * qkv.plane + 7] = .nan
      for (name, results) in try onEveryBackend(
        graph, [(inputs[0], values), (inputs[1], [1])], [attention])
      {
        for (index, value) in results[0].enumerated() {
          XCTAssertEqual(
            value.isNaN, concerned.contains(index / qkv.plane), "\(name), \(place), \(index)")
        }
      }
    }
  }

  /// With rows of the identity as k, the cosines are the normalised rows of q.
  func testNormalizationAgainstRecordedValues() throws {
    for file in try Golden.recordings(["l2normalize", "l2normalize_zero_rows"], of: "03_ops") {
      let tensors = try Golden.tensors("03_ops", file + ".safetensors")
      let (x, y) = (try XCTUnwrap(tensors["x"]), try XCTUnwrap(tensors["y"]))
      let (n, heads, m, pixels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
      let qkv = Shape(n, 3 * heads * m, 1, pixels)
      for first in stride(from: 0, to: pixels, by: m) {
        var values = [Float](repeating: 0, count: qkv.count)
        for image in 0..<n {
          for row in 0..<heads * m {
            let source = (image * heads * m + row) * pixels
            let target = (image * 3 * heads * m + row) * pixels
            for p in 0..<pixels { values[target + p] = x.values[source + p] }
            values[target + heads * m * pixels + (first + row % m) % pixels] = 1
          }
        }
        let temperatures = [Float](repeating: 1, count: heads)
        for (name, results) in try forward([values, temperatures], qkv, heads: heads) {
          let expected = (0..<n * heads * m * m).map { index in
            y.values[index / m * pixels + (first + index % m) % pixels]
          }
          let error = OpCheck.relativeError(results[2], expected)
          XCTAssertLessThan(error, 1e-6, "\(file), \(name), pixels from \(first)")
        }
      }
    }
  }

  /// A head per row of logits x, the temperature their norm: the attention weights are softmax(x).
  func testSoftmaxAgainstRecordedValues() throws {
    let tensors = try Golden.tensors("03_ops", "softmax.safetensors")
    let (x, y) = (try XCTUnwrap(tensors["x"]), try XCTUnwrap(tensors["y"]))
    let (heads, m) = (x.shape[0], x.shape[1])
    let qkv = Shape(1, 3 * heads * m, 1, m)
    var values = [Float](repeating: 0, count: qkv.count)
    for row in 0..<heads * m {
      for p in 0..<m { values[row * m + p] = x.values[row / m * m + p] }
      values[(heads * m + row) * m + row % m] = 1
    }
    let temperatures = (0..<heads).map { head in
      Float(x.values[head * m..<(head + 1) * m].reduce(0.0) { $0 + Double($1 * $1) }.squareRoot())
    }
    for (name, results) in try forward([values, temperatures], qkv, heads: heads) {
      for head in 0..<heads {
        let found = Array(results[1][head * m * m..<head * m * m + m])
        let error = OpCheck.relativeError(found, Array(y.values[head * m..<(head + 1) * m]))
        XCTAssertLessThan(error, 5e-6, "\(name), row \(head)")
      }
    }
  }

  /// Rows whose norm was raised to 1e-12 get the gradient of a division by a constant.
  func testGradientOfClampedRows() throws {
    let (heads, qkv) = (1, Shape(1, 12, 2, 5))
    var values = OpCase(Fill(0, .scalar), [qkv, .vector(heads), qkv.channels(4)])
      .randomInputs(seed: 3)
    values[1] = [1.5]
    for p in 0..<qkv.plane {
      values[0][p] = 0
      values[0][2 * qkv.plane + p] *= 1e-14
      values[0][5 * qkv.plane + p] = 0
    }
    let expected = AttentionReference(
      values[0].map(Double.init), qkv, values[1].map(Double.init)
    ).gradient(values[2].map(Double.init))
    for (name, results) in try backward(values, qkv, heads: heads) {
      for row in 0..<qkv.c {
        let range = row * qkv.plane..<(row + 1) * qkv.plane
        let error = OpCheck.relativeError(
          Array(results[0][range]), expected.qkv[range].map { Float($0) })
        XCTAssertLessThan(error, 1e-5, "\(name), row \(row)")
      }
      XCTAssertEqual(Double(results[1][0]), expected.temperature[0], accuracy: 1e-5, name)
    }
  }

  /// A black image through a network without biases: all rows are zero, and nothing is NaN.
  func testAllZero() throws {
    let (heads, qkv) = (2, Shape(2, 12, 3, 3))
    let zeros = [Float](repeating: 0, count: qkv.count)
    let seed = [Float](repeating: 1, count: qkv.count / 3)
    for (name, results) in try backward([zeros, [1, 2], seed], qkv, heads: heads) {
      let dv = 2 * qkv.c / 3 * qkv.plane
      XCTAssertEqual(Array(results[0][..<dv]), Array(zeros[..<dv]), name)
      XCTAssertEqual(results[0][dv], 1, accuracy: 1e-6, name)
      XCTAssertEqual(results[1], [0, 0], name)
    }
  }

  private func forward(
    _ values: [[Float]], _ qkv: Shape, heads: Int
  ) throws -> [(name: String, results: [[Float]])] {
    let graph = Graph()
    let inputs = [graph.placeholder(qkv), graph.placeholder(.vector(heads))]
    let outputs = graph.apply(ChannelAttention(heads: heads), inputs)
    return try onEveryBackend(graph, Array(zip(inputs, values)), outputs)
  }

  private func backward(
    _ values: [[Float]], _ qkv: Shape, heads: Int
  ) throws -> [(name: String, results: [[Float]])] {
    let graph = Graph()
    let inputs = [graph.placeholder(qkv), graph.placeholder(.vector(heads))]
    let y = graph.channelAttention(inputs[0], temperature: inputs[1], heads: heads)
    let seed = graph.placeholder(y.shape)
    let gradients = graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: inputs)
    return try onEveryBackend(
      graph, Array(zip(inputs + [seed], values)), gradients.map { try XCTUnwrap($0) })
  }
}
