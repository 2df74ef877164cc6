import ArgumentParser
import Foundation
import Kernels
import Restormer

/// `restormer bench`: how fast the operators and the model are on this device.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Times every operator at the model's shapes and the model itself.",
    discussion: "Example: restormer bench --preset compact --size 128x128")

  @OptionGroup var device: DeviceOptions

  @Option(name: .long, help: "paper, compact or tiny.")
  var preset = "paper"

  @Option(name: .long, help: "Image size, WIDTHxHEIGHT.")
  var size = "256x256"

  @Option(name: .long, help: "Measured runs of each; the median is printed.")
  var repeats = 5

  @Flag(name: .long, help: "Time only the whole model.")
  var modelOnly = false

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  func run() throws {
    guard let configuration = ModelConfiguration.presets[preset] else {
      let known = ModelConfiguration.presets.keys.sorted().joined(separator: ", ")
      throw ValidationError("--preset \(preset): expected one of \(known)")
    }
    guard (1...1000).contains(repeats) else {
      throw ValidationError("--repeats \(repeats): expected 1 to 1000")
    }
    let (width, height) = try parseSize(size)
    let opened = try device.open()
    if !json { Console.print("device: \(opened.name), preset \(preset), \(size)") }
    try opened.accept(
      BenchmarkRun(
        model: RestormerModel(configuration), width: (width + 7) / 8 * 8,
        height: (height + 7) / 8 * 8, repeats: repeats, operators: !modelOnly, json: json))
  }
}

private struct BenchmarkRun: BackendVisitor {
  let model: RestormerModel
  let width: Int
  let height: Int
  let repeats: Int
  let operators: Bool
  let json: Bool

  func visit<B: Backend>(_ backend: B) throws {
    let recording = model.record(
      height: height, width: width, execution: .banded(keepsValues: true))
    var rows: [OperatorTiming] = []
    if operators {
      rows = try OperatorBenchmark(on: backend, repeats: repeats).run(
        recording.graph.nodes(yielding: [recording.output]))
    }
    let inference = try timeInference(recording, on: backend)
    if json { try printJSON(rows, inference) } else { printTable(rows, inference) }
  }

  private func timeInference<B: Backend>(
    _ recording: RestormerModel.Recording, on backend: B
  ) throws -> Timing {
    let weights = ModelWeights.initialized(model, seed: 1)
    let parameters = try DeviceParameters(model, values: weights.values, on: backend)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    var generator = SplitMix64(seed: 2)
    let pixels = (0..<recording.input.shape.count).map { _ in generator.nextUnit() }
    try plan.write(pixels, to: recording.input)
    return try Timing.measure(repeats: repeats) {
      try plan.run()
      try backend.synchronize()
    }
  }

  private func printTable(_ rows: [OperatorTiming], _ inference: Timing) {
    var table = TextTable([
      "operator", "inputs", "count", "ms", "spread", "GFLOP/s", "GB/s", "ms in all",
    ])
    for row in rows {
      let seconds = row.timing.median
      table.add([
        row.name, row.shapes, String(row.count), String(format: "%.3f", 1e3 * seconds),
        String(format: "%.0f%%", 100 * row.timing.spread),
        String(format: "%.1f", 2 * Double(row.multiplyAdds) / seconds / 1e9),
        String(format: "%.1f", Double(row.bytes) / seconds / 1e9),
        String(format: "%.1f", 1e3 * seconds * Double(row.count)),
      ])
    }
    if !rows.isEmpty { for line in table.lines { Console.print(line) } }
    let giga = Double(model.cost(width: width, height: height).multiplyAdds) / 1e9
    Console.print(
      String(
        format: "inference: %.3f s (spread %.0f%%), %.1f GFLOP/s", inference.median,
        100 * inference.spread, 2 * giga / inference.median))
  }

  private func printJSON(_ rows: [OperatorTiming], _ inference: Timing) throws {
    let operators = rows.map { row -> [String: Any] in
      [
        "operator": row.name, "inputs": row.shapes, "count": row.count,
        "seconds": row.timing.median, "spread": row.timing.spread,
        "multiply_adds": row.multiplyAdds, "bytes": row.bytes,
      ]
    }
    let report: [String: Any] = [
      "operators": operators,
      "inference": ["seconds": inference.median, "spread": inference.spread],
      "width": width, "height": height,
    ]
    let data = try JSONSerialization.data(
      withJSONObject: report, options: [.prettyPrinted, .sortedKeys])
    Console.print(String(decoding: data, as: UTF8.self))
  }
}
