import Foundation
import Kernels
import Restormer

/// What `bench` measured, as tables for people and as JSON for programs.
struct BenchmarkReport {
  let image: Shape
  let batch: Shape
  let recompute: Bool
  var ceilings: DeviceCeilings?
  var inferenceOperators: [OperatorTiming] = []
  var trainingOperators: [OperatorTiming] = []
  var inference: ModelTiming?
  var training: ModelTiming?
  var inferencePlan: ModelPlan?
  var trainingPlan: ModelPlan?

  /// The tables, line by line.
  var lines: [String] {
    var lines = ceilings.map(lines(of:)) ?? []
    if !inferenceOperators.isEmpty {
      lines += ["", "operators of inference, \(size(image)):"] + table(inferenceOperators)
      lines += ["", "operators of a training step, \(size(batch)):"] + table(trainingOperators)
      lines.append("")
    }
    if let inference { lines.append("inference, \(size(image)): " + line(inference)) }
    if let training {
      let how = recompute ? "with recompute" : "without recompute"
      lines.append("training step, \(size(batch)), \(how): " + line(training))
    }
    lines += inferencePlan.map { ["plan of inference, \(size(image)):"] + table($0) } ?? []
    lines +=
      trainingPlan.map { ["", "plan of a training step, \(size(batch)):"] + table($0) } ?? []
    return lines
  }

  private func lines(of ceilings: DeviceCeilings) -> [String] {
    [
      String(format: "multiply-adds: %.1f GFLOP/s", 1e-9 * ceilings.flops),
      String(format: "copy: %.1f GB/s, read and written", 1e-9 * ceilings.bytes),
      String(
        format: "launch: %.1f us together, %.1f us with the wait for its end",
        1e6 * ceilings.launch, 1e6 * ceilings.launchAndFinish),
    ]
  }

  private func size(_ shape: Shape) -> String { "\(shape.n) x \(shape.w)x\(shape.h)" }

  private func line(_ model: ModelTiming) -> String {
    let seconds = model.timing.median
    let share = share(model.multiplyAdds, 0, seconds).map { " (\($0) of the ceiling)" } ?? ""
    return String(
      format: "%.3f s (spread %.0f%%), %.1f GFLOP/s%@, %@ of device memory", seconds,
      100 * model.timing.spread, 2e-9 * Double(model.multiplyAdds) / seconds, share,
      gigabytes(model.memory))
  }

  /// The share of the ceiling in per cent, where the ceilings were measured.
  private func share(_ multiplyAdds: Int, _ bytes: Int, _ seconds: Double) -> String? {
    ceilings.map {
      let share = $0.share(multiplyAdds: multiplyAdds, bytes: bytes, seconds: seconds)
      return String(format: "%.0f%%", 100 * share)
    }
  }

  private func table(_ operators: [OperatorTiming]) -> [String] {
    var table = TextTable([
      "operator", "inputs", "count", "ms", "spread", "GFLOP/s", "GB/s", "share", "ms in all",
    ])
    for row in operators {
      let seconds = row.timing.median
      table.add([
        row.name, row.shapes, String(row.count), String(format: "%.3f", 1e3 * seconds),
        String(format: "%.0f%%", 100 * row.timing.spread),
        String(format: "%.1f", 2e-9 * Double(row.multiplyAdds) / seconds),
        String(format: "%.1f", 1e-9 * Double(row.bytes) / seconds),
        share(row.multiplyAdds, row.bytes, seconds) ?? "",
        String(format: "%.1f", 1e3 * seconds * Double(row.count)),
      ])
    }
    return table.lines
  }

  /// Each distinct node once, and the sums.
  private func table(_ plan: ModelPlan) -> [String] {
    var table = TextTable([
      "count", "operator", "inputs", "outputs", "launches", "M mult-adds", "MB", "scratch MB",
      "stored", "made by",
    ])
    for (node, count) in plan.nodes.distinct {
      table.add([
        String(count), node.op, shapes(node.inputs), shapes(node.outputs), String(node.launches),
        megas(node.multiplyAdds), megas(node.bytes), megas(node.scratchBytes),
        node.precision.rawValue,
        node.rules.joined(separator: " "),
      ])
    }
    return table.lines + [plan.summary]
  }

  private func shapes(_ shapes: [Shape]) -> String {
    shapes.map(\.description).joined(separator: " ")
  }

  private func megas(_ value: Int) -> String { String(format: "%.1f", 1e-6 * Double(value)) }

  private func object(_ plan: ModelPlan) -> [String: Any] {
    [
      "launches": plan.nodes.launches, "multiply_adds": plan.nodes.multiplyAdds,
      "longest_launch": plan.nodes.longestLaunch ?? NSNull(), "bytes": plan.nodes.bytes,
      "activations": plan.activations, "parameters": plan.parameters,
      "nodes": plan.nodes.map { node in
        [
          "operator": node.op, "inputs": node.inputs.map(\.description),
          "outputs": node.outputs.map(\.description), "rules": node.rules,
          "launches": node.launches, "multiply_adds": node.multiplyAdds, "bytes": node.bytes,
          "scratch": node.scratchBytes, "stored": node.precision.rawValue,
        ]
      },
    ]
  }

  /// Everything as one JSON object; times in seconds, rates and memory in bytes.
  func json(device: String, precision: PrecisionChoice) throws -> String {
    var report: [String: Any] = ["device": device, "precision": precision.rawValue]
    if let ceilings {
      report["ceilings"] = [
        "flops": ceilings.flops, "bytes": ceilings.bytes, "launch": ceilings.launch,
        "launch_and_finish": ceilings.launchAndFinish,
      ]
    }
    if !inferenceOperators.isEmpty {
      report["operators"] = [
        "inference": inferenceOperators.map(object), "training": trainingOperators.map(object),
      ]
    }
    if let inference { report["inference"] = object(inference, image) }
    if let training {
      report["training"] = object(training, batch).merging(["recompute": recompute]) { $1 }
    }
    report["inference_plan"] = inferencePlan.map(object)
    report["training_plan"] = trainingPlan.map(object)
    let data = try JSONSerialization.data(
      withJSONObject: report, options: [.prettyPrinted, .sortedKeys])
    return String(decoding: data, as: UTF8.self)
  }

  private func object(_ timing: Timing) -> [String: Any] {
    ["seconds": timing.median, "spread": timing.spread, "runs": timing.seconds]
  }

  private func object(_ row: OperatorTiming) -> [String: Any] {
    object(row.timing).merging([
      "operator": row.name, "inputs": row.shapes, "count": row.count,
      "multiply_adds": row.multiplyAdds, "bytes": row.bytes,
    ]) { $1 }
  }

  private func object(_ model: ModelTiming, _ shape: Shape) -> [String: Any] {
    object(model.timing).merging([
      "batch": shape.n, "width": shape.w, "height": shape.h, "multiply_adds": model.multiplyAdds,
      "memory": model.memory,
    ]) { $1 }
  }
}
