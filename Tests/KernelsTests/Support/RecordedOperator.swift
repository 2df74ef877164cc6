import Kernels
import Restormer
import TestSupport
import XCTest

/// Replays a recorded operator (`x`, `y`, `gy`, `gx`, `w.*`, `g.*`) on every backend: output within
/// 1e-5, gradients within 1e-4.
struct RecordedOperator {
  /// The recording's file, without extension.
  let name: String
  /// The operator for the input and the parameters by their recorded names.
  let record: (Graph, Tensor, [String: Tensor]) -> Tensor

  /// Runs the comparison.
  func run(file: StaticString = #filePath, line: UInt = #line) throws {
    let recording = try Golden.tensors("03_ops", name + ".safetensors")
    func tensor(_ name: String) throws -> NamedTensor { try XCTUnwrap(recording[name], name) }
    let graph = Graph()
    let x = graph.placeholder(Self.shape(try tensor("x").shape))
    let names = recording.tensors.map(\.name).filter { $0.hasPrefix("w.") }.sorted()
    let parameters = try names.map { graph.placeholder(Self.shape(try tensor($0).shape)) }
    let byName = Dictionary(uniqueKeysWithValues: zip(names.map { $0.dropFirst(2) }, parameters))
    let y = record(
      graph, x, Dictionary(uniqueKeysWithValues: byName.map { (String($0.key), $0.value) }))
    let seed = graph.placeholder(y.shape)
    let gradients = graph.gradients(
      from: [GradientSeed(y, gradient: seed)], wrt: [x] + parameters)
    let kept = [y] + (try gradients.map { try XCTUnwrap($0) })
    let feeds = try zip([x, seed] + parameters, ["x", "gy"] + names).map {
      ($0, try tensor($1).values)
    }
    let expected = try (["y", "gx"] + names.map { "g" + $0.dropFirst() }).map(tensor)
    var runs = [("CPU", try evaluate(graph, feeds, kept, on: CPUBackend()))]
    if let device = try? Device.shared() {
      runs.append(("OpenCL", try evaluate(graph, feeds, kept, on: device)))
      runs.append(("GPU shape", try evaluate(graph, feeds, kept, on: Device.gpuShaped())))
    }
    for (backend, results) in runs {
      for (values, recorded) in zip(results, expected) {
        XCTAssertLessThanOrEqual(
          OpCheck.relativeError(values, recorded.values), recorded.name == "y" ? 1e-5 : 1e-4,
          "\(name) \(recorded.name), \(backend)", file: file, line: line)
      }
    }
  }

  /// A vector is one of channels.
  private static func shape(_ extents: [Int]) -> Shape {
    extents.count == 4
      ? Shape(extents[0], extents[1], extents[2], extents[3])
      : .vector(extents.reduce(1, *))
  }
}
