import Foundation
import Kernels
import TestSupport
import XCTest

final class GELUGateTests: XCTestCase {
  func testAgainstErrorFunction() throws {
    for shape in [
      Shape(1, 1, 1, 1), Shape(2, 3, 1, 9), Shape(2, 2, 7, 5), Shape(1, 3, 8, 8),
    ] {
      try GradientCheck(
        inputs: [shape.channels(2 * shape.c)], record: { $0.geluGate($1[0]) },
        reference: definition(GELUGate(), [shape.channels(2 * shape.c)])
      ).run("\(shape)")
    }
  }

  /// The whole range of arguments: the absolute error of gelu and of its slope stays below 1e-6,
  /// relative to the argument where that is above 1, and the tails are exact.
  func testErrorOverTheWholeRange() throws {
    let a = (0...60_000).map { Float($0 - 30_000) / 2_000 } + [-1e30, -100, 1e30, 0, -0.0, 1e-30]
    let shape = Shape(1, 2, 1, a.count)
    let graph = Graph()
    let x = graph.placeholder(shape)
    let y = graph.geluGate(x)
    let seed = graph.fill(1, y.shape)
    let gx = try XCTUnwrap(graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: [x])[0])
    let feeds = [(x, a + [Float](repeating: 1, count: a.count))]
    var runs = [try evaluate(graph, feeds, [y, gx], on: CPUBackend())]
    if let device = try? Device.shared() {
      runs.append(try evaluate(graph, feeds, [y, gx], on: device))
      runs.append(try evaluate(graph, feeds, [y, gx], on: Device.gpuShaped()))
    }
    for results in runs {
      for (i, value) in a.enumerated() {
        let exact = Double(value)
        XCTAssertEqual(
          Double(results[0][i]), gelu(exact), accuracy: 5e-7 * max(1, abs(gelu(exact))))
        let slope = distribution(exact) + exact * exp(-exact * exact / 2) / (2 * .pi).squareRoot()
        XCTAssertEqual(Double(results[1][i]), slope, accuracy: 5e-7, "slope at \(value)")
      }
    }
  }

  func testNaNStaysVisible() throws {
    let graph = Graph()
    let x = graph.placeholder(Shape(1, 2, 1, 2))
    let y = graph.geluGate(x)
    for (a, b) in [(Float.nan, Float(1)), (1, .nan)] {
      let feeds = [(x, [a, 1, b, 1])]
      XCTAssertTrue(try evaluate(graph, feeds, [y], on: CPUBackend())[0][0].isNaN)
      let device = try Device.shared()
      XCTAssertTrue(try evaluate(graph, feeds, [y], on: device)[0][0].isNaN)
    }
  }
}

private func distribution(_ a: Double) -> Double { 0.5 * erfc(-a / 2.0.squareRoot()) }

private func gelu(_ a: Double) -> Double { a * distribution(a) }
