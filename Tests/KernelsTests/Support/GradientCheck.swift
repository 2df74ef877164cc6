import Kernels
import TestSupport
import XCTest

/// Compares an operator, recorded through the graph, and its gradients with an independent
/// reference in double precision, on every backend; the reference's gradients are central
/// differences.
struct GradientCheck {
  /// Shapes of the inputs.
  let inputs: [Shape]
  /// How the inputs are drawn.
  var ranges: [ValueRange] = []
  /// Records the operator.
  let record: (Graph, [Tensor]) -> Tensor
  /// The output, dense and row-major, for dense inputs.
  let reference: ([[Double]]) -> [Double]
  /// The inputs that have gradients; all by default.
  var differentiable: Int?

  /// Runs the check on the CPU and on the OpenCL device, as itself and shaped as a GPU.
  func run(
    _ label: String, forward: Double = 1e-5, gradient: Double = 1e-4,
    file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let graph = Graph()
    let placeholders = inputs.map(graph.placeholder)
    let y = record(graph, placeholders)
    let seed = graph.placeholder(y.shape)
    let wanted = Array(placeholders.prefix(differentiable ?? inputs.count))
    let gradients = try graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: wanted)
      .map { try XCTUnwrap($0, "\(label): no gradient", file: file, line: line) }
    let values = randomValues(y.shape)
    let expected = expectations(values, of: wanted.count)
    let kept = [y] + gradients
    let feeds = Array(zip(placeholders + [seed], values))
    var runs = [("CPU", try evaluate(graph, feeds, kept, on: CPUBackend()))]
    if let device = try? Device.shared() {
      runs.append(("OpenCL", try evaluate(graph, feeds, kept, on: device)))
      runs.append(("GPU shape", try evaluate(graph, feeds, kept, on: Device.gpuShaped())))
    }
    for (backend, results) in runs {
      for (index, pair) in zip(results, expected).enumerated() {
        let error = OpCheck.relativeError(pair.0, pair.1.map { Float($0) })
        XCTAssertLessThanOrEqual(
          error, index == 0 ? forward : gradient,
          "\(label), \(backend), \(index == 0 ? "output" : "gradient \(index - 1)")",
          file: file, line: line)
      }
    }
  }

  private func randomValues(_ output: Shape) -> [[Float]] {
    let drawn = OpCase(Fill(0, .scalar), inputs + [output], ranges)
    return drawn.randomInputs(seed: UInt64(output.count + 31 * inputs.count))
  }

  /// The reference's output and the gradients of `Σ seed · output`.
  private func expectations(_ values: [[Float]], of count: Int) -> [[Double]] {
    var point = values.dropLast().map { $0.map(Double.init) }
    let seed = values[values.count - 1].map(Double.init)
    var result = [reference(point)]
    func loss() -> Double { zip(reference(point), seed).reduce(0) { $0 + $1.0 * $1.1 } }
    for input in 0..<count {
      result.append(
        point[input].indices.map { element in
          let (value, step) = (point[input][element], 1e-5)
          defer { point[input][element] = value }
          point[input][element] = value + step
          let above = loss()
          point[input][element] = value - step
          return (above - loss()) / (2 * step)
        })
    }
    return result
  }
}

/// The values of `kept` after one run of the graph with the given inputs.
func evaluate<B: Backend>(
  _ graph: Graph, _ feeds: [(Tensor, [Float])], _ kept: [Tensor], on backend: B
) throws -> [[Float]] {
  let plan = try Plan(graph, keeping: kept, on: backend)
  for (tensor, values) in feeds { try plan.write(values, to: tensor) }
  try plan.run()
  return try kept.map { try plan.read($0) }
}
