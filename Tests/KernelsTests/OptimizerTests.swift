import Basics
import Foundation
import Kernels
import TestSupport
import XCTest

/// Optimizer steps, run as training runs them: outputs on the memory of the inputs.
final class OptimizerTests: XCTestCase {
  private let count = 1003

  func testAdamW() throws {
    let (rate, beta1, beta2, epsilon, decay, scale) = (3e-3, 0.9, 0.999, 1e-8, 0.02, 0.5)
    try forEachBackend { backend in
      var p = numbers(1)
      var m = [Double](repeating: 0, count: count)
      var v = m
      let state = try inPlace(AdamWStep(), [p, nil, m, v], 8, results: [0, 2, 3], backend)
      for step in 1...5 {
        let g = numbers(10 + step)
        try state.step(
          gradient: g,
          AdamWStep.hyperparameters(
            step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon,
            weightDecay: decay, gradientScale: scale))
        for i in 0..<count {
          let grad = scale * g[i]
          p[i] *= 1 - rate * decay
          m[i] = beta1 * m[i] + (1 - beta1) * grad
          v[i] = beta2 * v[i] + (1 - beta2) * grad * grad
          let root = v[i].squareRoot() / (1 - pow(beta2, Double(step))).squareRoot()
          p[i] -= rate / (1 - pow(beta1, Double(step))) * m[i] / (root + epsilon)
        }
      }
      try state.assertEqual([p, m, v])
    }
  }

  func testSGD() throws {
    let (rate, momentum, decay, scale) = (0.1, 0.9, 0.01, 2.0)
    try forEachBackend { backend in
      var p = numbers(2)
      var buffer = [Double](repeating: 0, count: count)
      let state = try inPlace(SGDStep(), [p, nil, buffer], 4, results: [0, 2], backend)
      for step in 1...4 {
        let g = numbers(20 + step)
        try state.step(
          gradient: g,
          SGDStep.hyperparameters(
            rate: rate, momentum: momentum, weightDecay: decay, gradientScale: scale))
        for i in 0..<count {
          let grad = scale * g[i] + decay * p[i]
          buffer[i] = step == 1 ? grad : momentum * buffer[i] + grad
          p[i] -= rate * buffer[i]
        }
      }
      try state.assertEqual([p, buffer])
    }
  }

  func testAverageAndAccumulate() throws {
    try forEachBackend { backend in
      var (average, sum) = (numbers(3), numbers(4))
      let ema = try inPlace(EMAUpdate(decay: 0.999), [average, nil], 0, results: [0], backend)
      let total = try inPlace(Accumulate(), [sum, nil], 0, results: [0], backend)
      for step in 1...3 {
        let g = numbers(30 + step)
        try ema.step(gradient: g, [])
        try total.step(gradient: g, [])
        for i in 0..<count {
          average[i] = 0.999 * average[i] + 0.001 * g[i]
          sum[i] += g[i]
        }
      }
      try ema.assertEqual([average])
      try total.assertEqual([sum])
    }
  }

  func testSumOfSquares() throws {
    for count in [1, 15, 16, 17, 4097, 300_001] {
      let values = (0..<count).map { Float(sin(Double($0))) }
      let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
      try forEachBackend { backend in
        XCTAssertEqual(
          Double(try sumOfSquares(values, on: backend)), expected, accuracy: 2e-7 * expected)
        for bad in [Float.nan, .infinity] {
          var damaged = values
          damaged[count - 1] = bad
          XCTAssertFalse(try sumOfSquares(damaged, on: backend).isFinite)
        }
      }
    }
  }

  private func sumOfSquares<B: Backend>(_ values: [Float], on backend: B) throws -> Float {
    let graph = Graph()
    let x = graph.placeholder(Shape(1, 1, 1, values.count))
    let y = graph.apply(SumOfSquares(), [x])[0]
    return try evaluate(graph, [(x, values)], [y], on: backend)[0][0]
  }

  private func numbers(_ seed: Int) -> [Double] {
    var generator = SplitMix64(seed: UInt64(seed))
    return (0..<count).map { _ in Double(2 * generator.nextUnit() - 1) }
  }

  private func forEachBackend(_ body: (any Backend) throws -> Void) throws {
    try body(CPUBackend())
    guard let device = try? Device.shared() else { return }
    try body(device)
    try body(try Device.gpuShaped())
  }
}

/// An optimizer whose outputs lie on its inputs.
private struct InPlace {
  /// Writes the gradient and the hyperparameters, and runs.
  let run: ([Float], [Float]) throws -> Void
  /// The outputs.
  let read: () throws -> [[Float]]
  let label: String

  func step(gradient: [Double], _ hyperparameters: [Float]) throws {
    try run(gradient.map { Float($0) }, hyperparameters)
  }

  func assertEqual(_ expected: [[Double]]) throws {
    for (index, pair) in zip(try read(), expected).enumerated() {
      let error = OpCheck.relativeError(pair.0, pair.1.map { Float($0) })
      XCTAssertLessThanOrEqual(error, 1e-6, "\(label), output \(index)")
    }
  }
}

/// - Parameters:
///   - state: initial vectors; nil for the gradient.
///   - results: the inputs that the outputs replace.
private func inPlace<B: Backend>(
  _ op: any Op, _ state: [[Double]?], _ hyperCount: Int, results: [Int], _ backend: B
) throws -> InPlace {
  let graph = Graph()
  let count = state.compactMap { $0 }[0].count
  let inputs = state.map { _ in graph.placeholder(Shape(1, 1, 1, count)) }
  let hyper = hyperCount > 0 ? graph.placeholder(.vector(hyperCount)) : nil
  let gradient = inputs[state.firstIndex { $0 == nil } ?? 0]
  let outputs = graph.apply(op, inputs + (hyper.map { [$0] } ?? []))
  var bindings: [Tensor: TensorView<B.Storage>] = [:]
  for (output, input) in zip(outputs, results) {
    let view = TensorView(
      try backend.makeStorage(count: count), offset: 0, shape: Shape(1, 1, 1, count))
    bindings[output] = view
    bindings[inputs[input]] = view
  }
  let plan = try Plan(graph, keeping: outputs, on: backend, binding: bindings)
  for (input, values) in zip(inputs, state) {
    if let values { try plan.write(values.map { Float($0) }, to: input) }
  }
  return InPlace(
    run: { values, hyperparameters in
      try plan.write(values, to: gradient)
      if let hyper { try plan.write(hyperparameters, to: hyper) }
      try plan.run()
    }, read: { try outputs.map { try plan.read($0) } }, label: "\(op.name), \(backend.name)")
}
